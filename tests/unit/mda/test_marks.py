"""The fields that tell what scanners found: short lines, and nothing that a sender wrote can end one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.header import fields
from mda.core.findings import Disposition, Finding, Verdict, WhenUnscanned, decide
from mda.core.marks import NOT_SCANNED, SYMBOLS, marks


def test_nothing_found_because_nobody_looked() -> None:
    assert marks([]) == NOT_SCANNED


def test_a_whole_answer() -> None:
    symbols = (("A_SMALL_ONE", 0.1), ("NOTHING", 0.0), ("THE_LARGEST", 6.1), ("GOOD", -1.0))
    finding = Finding("rspamd", Verdict.SPAM, "", 7.1, 6.0, "add header", symbols)
    assert marks([finding]) == (
        b"X-Posthouse-Scan: rspamd; verdict=spam; score=7.10; threshold=6.00;\r\n"
        b"\taction=add-header; symbols=THE_LARGEST(6.10), GOOD(-1.00), A_SMALL_ONE(0.10)\r\n"
        b"X-Spam-Flag: YES\r\n"
    )


texts = st.text(max_size=200)


@given(
    st.lists(
        st.builds(
            Finding,
            scanner=texts,
            verdict=st.sampled_from(Verdict),
            detail=texts,
            score=st.none() | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6),
            action=texts,
            symbols=st.lists(st.tuples(texts, st.floats(min_value=-100, max_value=100)), max_size=60).map(
                tuple
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_is_found_is_a_few_short_fields(findings: list[Finding]) -> None:
    text = marks(findings)
    assert text.endswith(b"\r\n")
    assert all(len(line) <= 998 and line.isascii() for line in text.split(b"\r\n"))
    names = [bytes(field.name) for field in fields(text + b"\r\n")]
    spam = any(each.verdict is Verdict.SPAM for each in findings)
    assert names == [b"X-Posthouse-Scan"] * len(findings) + [b"X-Spam-Flag"] * spam
    assert len(text) < len(findings) * (SYMBOLS * 100 + 600)


@pytest.mark.parametrize(
    ("verdicts", "waiting", "marked"),
    [
        ("clean", "FILE", "FILE"),
        ("clean skipped", "FILE", "FILE"),
        ("clean spam", "JUNK", "JUNK"),
        ("spam virus", "QUARANTINE", "QUARANTINE"),
        ("unscanned virus", "QUARANTINE", "QUARANTINE"),
        ("unscanned clean", "WAIT", "FILE"),
        ("unscanned spam", "WAIT", "JUNK"),
        ("unscanned unscannable", "WAIT", "FILE"),
        ("unscannable clean", "QUARANTINE", "FILE"),
        ("unscannable spam", "QUARANTINE", "JUNK"),
    ],
)
def test_the_worst_decides(verdicts: str, waiting: str, marked: str) -> None:
    findings = [Finding("x", Verdict(word)) for word in verdicts.split()]
    assert decide(findings, WhenUnscanned.WAIT) is Disposition[waiting]
    assert decide(findings, WhenUnscanned.DELIVER_MARKED) is Disposition[marked]
