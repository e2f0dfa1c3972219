"""Nobody is told that a message was read which a stranger has sent in his name."""

import pytest
from mda.core.allowing import is_vouched_for
from senderauth import authres
from senderauth.authres import MethodResult

from tests.unit.mda.test_disclosing import PREFIX, World, message

OURS = "mail.a.test"


def spf(result: str, mail_from: str = "eve@far.test") -> MethodResult:
    return MethodResult("spf", result, (("smtp.mailfrom", mail_from),))


def dkim(result: str, domain: str = "far.test") -> MethodResult:
    return MethodResult("dkim", result, (("header.d", domain),))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([spf("pass")], True),
        ([spf("pass", "eve@other.test")], False),
        ([spf("none")], False),
        ([spf("fail")], False),
        ([MethodResult("spf", "pass", (("smtp.helo", "far.test"),))], False),
        ([spf("none"), dkim("pass")], True),
        ([spf("none"), dkim("fail")], False),
        ([spf("none"), dkim("pass", "other.test")], False),
        # A signed message that somebody else sends again.
        ([spf("softfail"), dkim("pass")], False),
        ([], False),
    ],
)
def test_whoever_a_stranger_names_is_not_told_of_what_was_read(found: list[MethodResult], told: bool) -> None:
    prefix = PREFIX + authres.field(OURS, found)
    world = World([message(prefix=prefix)])
    assert world.open(7) == told
    assert len(world.letters) == told


def test_where_the_door_checked_nothing_the_sender_is_told() -> None:
    assert is_vouched_for(PREFIX, "eve@far.test")
    # What a stranger writes into the message is not asked.
    forged = b"Authentication-Results: mail.a.test; spf=pass smtp.mailfrom=eve@far.test\r\n"
    header = forged + message().header
    prefix = PREFIX + authres.field(OURS, [spf("fail")])
    assert World([message(prefix=prefix, header=header)]).open(7) == 0
