"""Budgets of time, pace and headers; and that every limit is what the README says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from smtp_gateway.__main__ import OVERFLOW
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.roles import Role
from smtp_gateway.settings import Settings

from tests.support.fake_gateway import FakeConnection, converse

HELLO = b"EHLO c.test\r\n"
ENVELOPE = b"MAIL FROM:<x@peer.test>\r\nRCPT TO:<jones@foo.com>\r\n"
DATA = b"DATA\r\n"
END = b"\r\n.\r\n"
README = Path(__file__).parents[3] / "services/smtp-gateway/README.md"


class Slow:
    """A client, each of whose segments comes so many seconds after the one before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[bytes], float]) -> None:
        self.now = 0.0
        self._seconds = seconds
        slow = self

        async def read(connection: FakeConnection, timeout_seconds: float | None = None) -> bytes:
            if not connection.incoming:
                return b""
            wait = slow._left or slow._seconds(connection.incoming[0])
            if timeout_seconds is not None and wait > timeout_seconds:
                slow._left = wait - timeout_seconds
                slow.now += timeout_seconds
                raise TimeoutError
            slow._left = 0.0
            slow.now += wait
            return connection.incoming.pop(0)

        self._left = 0.0
        monkeypatch.setattr(FakeConnection, "read", read)

    def say(self, *chunks: bytes, **values: object) -> bytes:
        return converse(Role.MX, chunks, clock=lambda: self.now, **values)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "last"), [(299.0, b"250 2.0.0 Ok"), (301.0, b"421 4.4.2 You took too long")]
)
def test_a_silent_client_is_waited_for_so_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, last: bytes
) -> None:
    said = Slow(monkeypatch, lambda _: seconds).say(HELLO, b"NOOP\r\n")
    # A greeting comes without being waited for, the first command does not.
    assert said.endswith(last + b"\r\n")
    assert (b"250 HELP" in said) is (seconds < 300)


@pytest.mark.parametrize("end", [b"RSET\r\n", b"EHLO again.test\r\n"])
def test_a_transaction_that_was_given_up_does_not_hold_up_a_drain(
    monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    async def read(connection: FakeConnection, timeout_seconds: float | None = None) -> bytes:
        if connection.incoming:
            return connection.incoming.pop(0)
        if connection.draining.is_set():
            # The second time nothing came: it was not told to go.
            return b""
        connection.draining.set()
        raise TimeoutError

    monkeypatch.setattr(FakeConnection, "read", read)
    said, _, _ = converse(Role.MX, [HELLO, b"MAIL FROM:<x@peer.test>\r\n", end])
    assert said.endswith(b"421 4.3.2 We are closing down; try again\r\n")
    said, _, _ = converse(Role.MX, [HELLO, b"MAIL FROM:<x@peer.test>\r\n"])
    assert said.endswith(b"250 2.1.0 Sender ok\r\n"), "in a transaction it may go on"


def test_octets_alone_give_no_more_time_for_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    dribbled = [bytes([octet]) for octet in b"NOOP " + b"x" * 400]
    said = Slow(monkeypatch, lambda _: 10.0).say(HELLO, *dribbled, b"\r\n")
    assert said.endswith(b"250 HELP\r\n421 4.4.2 You took too long\r\n")


@pytest.mark.parametrize(("octets", "code"), [(4_990, b"421 4.4.2"), (5_010, b"250 2.0.0")])
def test_a_message_comes_at_500_octets_a_second_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, octets: int, code: bytes
) -> None:
    """Ten seconds for each of these segments; the first minute is free."""
    line = b"x" * (octets - 2) + b"\r\n"
    seconds = {line: 10.0}
    for last in (END, b"BDAT 0 LAST\r\n"):
        begin = [DATA] if last == END else [b"BDAT %d\r\n" % (octets * 12)]
        said = Slow(monkeypatch, lambda segment: seconds.get(segment, 0.0)).say(
            HELLO, ENVELOPE, *begin, *[line] * 12, last
        )
        assert said.splitlines()[-1].startswith(code), said


def test_the_first_minute_of_a_message_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"x" * 8 + b"\r\n"
    slow = Slow(monkeypatch, lambda chunk: 10.0 if chunk == line else 0.0)
    said = slow.say(HELLO, ENVELOPE, DATA, b"\r\n", *[line] * 6, b".\r\n")
    assert slow.now == 60.0
    assert said.splitlines()[-1].startswith(b"250 2.0.0")


def test_a_message_that_comes_well_may_take_longer_than_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"x" * 59_998 + b"\r\n"
    slow = Slow(monkeypatch, lambda segment: 100.0 if segment == line else 0.0)
    assert (
        slow.say(HELLO, ENVELOPE, DATA, b"\r\n", *[line] * 10, END).splitlines()[-1].startswith(b"250 2.0.0")
    )
    assert slow.now == 1000.0


@pytest.mark.parametrize(
    "last",
    [
        (),
        (b"QUIT\r\n",),
        (b"bare\rcr\r\n.\r\n",),
        (b"\r\n.\r\n",),
        (b"x" * 70_000 + b"\r\n.\r\n", b"QUIT\r\n"),
        (b"x" * 70_000, b"x" * 2_000_000),
    ],
    ids=["cut off", "text", "flawed", "whole", "too big", "no room"],
)
def test_the_memory_of_a_message_is_given_back_however_it_ends(
    monkeypatch: pytest.MonkeyPatch, last: tuple[bytes, ...]
) -> None:
    budgets = []

    def made(limit_octets: int) -> Budget:
        budgets.append(Budget(limit_octets))
        return budgets[-1]

    monkeypatch.setattr("tests.support.fake_gateway.Budget", made)
    taken: list[int] = []
    monkeypatch.setattr("smtp_gateway.metrics.INFLIGHT.set", taken.append)
    converse(
        Role.MX,
        [HELLO, ENVELOPE, DATA, b"A: b\r\n" * 100, b"c\r\n", *last],
        message_size_octets=65_536 if b"QUIT\r\n" in last else 10_000_000,
        inflight_octets=1 << 20,
    )
    assert max(taken) > 0
    assert [budget.taken for budget in budgets] == [0]


def test_a_proxy_has_seconds_for_its_preface(monkeypatch: pytest.MonkeyPatch) -> None:
    preface = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 1\r\n"
    for seconds, greeted in ((0.1, True), (0.2, False)):
        dribbled = [bytes([octet]) for octet in preface]
        said = Slow(monkeypatch, lambda _, each=seconds: each).say(  # type: ignore[misc]
            *dribbled, proxy_networks=("127.0.0.0/8",)
        )
        assert said.startswith(b"220 ") is greeted


FIELD = b"X-Long: " + b"x" * 70 + b"\r\n"


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (FIELD * 3_250, b""),
        (FIELD * 3_300, b"552 5.3.4 The header is too big"),
        (b"To: " + b"a@b.test,\r\n " * 8_500 + b"c@d.test\r\n", b""),
        (
            FIELD + b"To: " + b"a@b.test,\r\n " * 8_600 + b"c@d.test\r\n" + FIELD,
            b"552 5.3.4 A field of the header",
        ),
        (b"To: " + b"a@b.test,\r\n\t" * 8_600, b"552 5.3.4 A field of the header"),
        (b"X: " + b"y" * 102_400 + b"\r\n", b"552 5.3.4 A field of the header"),
    ],
    ids=["much", "too much", "a long field", "a field too long", "to the end", "in one line"],
)
def test_headers_have_a_measure_as_a_whole_and_field_by_field(header: bytes, refusal: bytes) -> None:
    said, gate, _ = converse(Role.MX, [HELLO, ENVELOPE, DATA, header + b"\r\nx" + END])
    assert said.splitlines()[-1].startswith(refusal or b"250 2.0.0 Accepted")
    assert len(gate.letters) == (not refusal)


@pytest.mark.parametrize(("hops", "code"), [(50, b"250 2.0.0"), (51, b"554 5.4.6")])
def test_fifty_hops_are_no_loop_and_one_more_is(hops: int, code: bytes) -> None:
    said, _, _ = converse(Role.MX, [HELLO, ENVELOPE, DATA, b"Received: x\r\n" * hops + b"\r\nx" + END])
    assert said.splitlines()[-1].startswith(code)


@pytest.mark.parametrize(("errors", "closed"), [(20, False), (21, True)])
def test_twenty_errors_are_forgiven(errors: int, closed: bool) -> None:
    said, _, _ = converse(Role.MX, [HELLO, b"BREW\r\n" * errors, b"NOOP\r\n"])
    assert said.splitlines()[-1].startswith(b"421 4.7.0" if closed else b"250 2.0.0")


def test_who_is_one_too_many_is_told_when_to_come_again() -> None:
    assert OVERFLOW.startswith(b"421 4.3.2 ")
    assert OVERFLOW.endswith(b"\r\n")


# -- the README

SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}
LIMIT = re.compile(r"(\d[\d,]*\d|\d)(?: (KiB|MiB))?")


def told() -> dict[str, int]:
    """The defaults that the README tells of: in the tables of limits, and in brackets behind a setting."""
    found = {}
    for line in README.read_text(encoding="utf-8").splitlines():
        for name, number in re.findall(r"`([A-Z][A-Z_]+)` \((\d[\d,]*)[;:)]", line):
            found[name] = int(number.replace(",", ""))
        columns = [each.strip() for each in line.split("|")[1:-1]]
        if len(columns) < 4 or not re.fullmatch(r"(?:`[A-Z…_]+`(?:, )?)+", columns[2]):
            continue
        names = re.findall(r"`([A-Z…_]+)`", columns[2])
        first = names[0].partition("_PER_")[0]
        limits = LIMIT.findall(columns[1])
        for name, (number, unit) in zip(names, limits, strict=True):
            found[name.replace("…", first)] = int(number.replace(",", "")) * SIZES[unit]
    return found


def test_the_readme_tells_the_truth_about_every_limit() -> None:
    limits = told()
    assert len(limits) >= 40
    for name, limit in limits.items():
        assert Settings.model_fields[name.lower()].default == limit, name
