"""What rspamd is told of who is speaking."""

import json
from dataclasses import replace

import pytest
from mda.core.vouched import symbols, vouched
from senderauth.result import Result
from spool import Speaker
from spool.speaker import Signature

NOBODY = Speaker(
    spf=Result.NONE,
    spf_domain="",
    spf_helo=Result.NONE,
    iprev=Result.NONE,
    client_name="",
    signatures=(),
    arc=Result.NONE,
    arc_sealers=(),
    dmarc=Result.NONE,
    author_domain="",
    dmarc_wish="none",
)


def signed(*results: tuple[Result, str]) -> tuple[Signature, ...]:
    return tuple(Signature(result, domain, "s") for result, domain in results)


@pytest.mark.parametrize(
    ("changes", "name", "about"),
    [
        ({"spf": Result.PASS, "spf_domain": "a.test"}, "R_SPF_ALLOW", ["a.test"]),
        ({"spf": Result.FAIL, "spf_domain": "a.test"}, "R_SPF_FAIL", ["a.test"]),
        ({"spf": Result.TEMPERROR}, "R_SPF_DNSFAIL", [""]),
        ({}, "R_DKIM_NA", []),
        (
            {"signatures": signed((Result.FAIL, "b.test"), (Result.PASS, "a.test"), (Result.PASS, "a.test"))},
            "R_DKIM_ALLOW",
            ["a.test"],
        ),
        ({"signatures": signed((Result.FAIL, "b.test"))}, "R_DKIM_REJECT", ["b.test"]),
        ({"signatures": signed((Result.NEUTRAL, "b.test"))}, "R_DKIM_PERMFAIL", ["b.test"]),
        ({"arc": Result.PASS, "arc_sealers": ("a.test", "b.test")}, "ARC_ALLOW", ["b.test"]),
        ({"arc": Result.FAIL}, "ARC_REJECT", []),
        ({"dmarc": Result.PASS, "author_domain": "a.test"}, "DMARC_POLICY_ALLOW", ["a.test"]),
        ({"dmarc": Result.FAIL, "dmarc_wish": "reject"}, "DMARC_POLICY_REJECT", [""]),
        ({"dmarc": Result.FAIL, "dmarc_wish": "quarantine"}, "DMARC_POLICY_QUARANTINE", [""]),
        ({"dmarc": Result.FAIL, "dmarc_wish": "none"}, "DMARC_POLICY_SOFTFAIL", [""]),
        ({"dmarc": Result.PERMERROR}, "DMARC_BAD_POLICY", [""]),
    ],
)
def test_each_result_is_a_symbol(changes: dict[str, object], name: str, about: list[str]) -> None:
    speaker = replace(NOBODY, **changes)  # type: ignore[arg-type]
    assert symbols(speaker)[name] == about
    # Of SPF, DKIM, ARC and DMARC one each.
    assert len(symbols(speaker)) == 4


@pytest.mark.parametrize("result", list(Result))
def test_there_is_a_word_for_every_result(result: Result) -> None:
    speaker = replace(
        NOBODY,
        spf=result,
        arc=result,
        dmarc=result,
        signatures=signed((result, "a.test"), (result, "b.test")),
    )
    assert len(symbols(speaker)) == 4


def test_nothing_that_a_stranger_says_leaves_the_field() -> None:
    evil = 'x\r\nFlags: skip, "}, \u00f6' + "y" * 1000
    said = vouched(replace(NOBODY, spf=Result.FAIL, spf_domain=evil))
    assert said.isascii()
    assert said.isprintable()
    [option] = json.loads(said)["symbols"]["R_SPF_FAIL"]["options"]
    assert option == evil[:255]
