"""What a script sends on travels as its sender wanted the first to travel (RFC 8689 §6), in the form that it has; and what is
known of who that was goes along.
"""

from collections.abc import Sequence
from typing import Any, cast

from directoryclient import Disposition, Resolution
from mailmodel import AccountRef
from mailproto.smtp.wishes import NO_WISHES, TlsWish
from mda.edge.outgoing import Outgoing
from senderauth import Result
from spool import Letter, Speaker


class Around:
    """The directory and the gate."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ())] * len(addresses)

    async def accept(self, letter: Letter) -> None:
        self.letters.append(letter)


async def sent(**how: Any) -> Letter:
    around = Around()
    outgoing = Outgoing("mail.ours.test", cast(Any, around), cast(Any, around))
    account = AccountRef("t", "a")
    await outgoing.accept(account, "id", "x@y.test", ["b@far.test"], b"S: x\r\n\r\nx", **how)
    [letter] = around.letters
    return letter


async def test_what_had_to_travel_in_tls_goes_on_so() -> None:
    for tls in (TlsWish.REQUIRED, TlsWish.OPTIONAL):
        assert (await sent(tls=tls)).wishes.tls is tls
    assert (await sent()).wishes is NO_WISHES


async def test_what_is_binary_is_sent_on_as_such() -> None:
    letter = await sent(is_binary=True)
    assert (letter.binary, letter.eight_bit) == (True, True)
    assert not (await sent()).eight_bit


async def test_who_was_speaking_goes_along() -> None:
    none = Result.NONE
    speaker = Speaker(Result.FAIL, "y.test", none, none, "", (), none, (), none, "y.test", "none")
    letter = await sent(speaker=speaker)
    assert letter.speaker is speaker
    assert (await sent()).speaker is None
