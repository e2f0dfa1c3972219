"""What accounts and lists send on is no more believed than when it came: not its From, and not where answers go."""

from dataclasses import replace
from typing import Any

import pytest
from directoryclient.policies import TenantPolicy
from mailmsg.facts import examine
from mailproto.smtp.dsn_request import RecipientRequest
from mda.adapters.rspamd import _headers
from mda.core.lists import may_sign, posters_of
from mda.core.standing import Lists, Standing
from senderauth import Result
from spool import Envelope, EnvelopeRecipient, Letter, Source, Speaker, SpooledLetter

from tests.support.mda_world import letter_of
from tests.unit.mda.test_lists import NEWS, Around, post, settle
from tests.unit.mda.test_receipts import envelope_of
from tests.unit.mda.test_rejecting import World

FORGED = b"From: <mod@far.test>\r\nSubject: hello\r\n\r\nbody\r\n"


def speaker(spf: Result = Result.PASS, dmarc: Result = Result.FAIL) -> Speaker:
    none = Result.NONE
    return Speaker(spf, "peer.invalid", none, none, "", (), none, (), dmarc, "far.test", "none")


def arrived(letter: Letter, content: bytes = FORGED) -> SpooledLetter:
    """What was sent on, as the next mda gets it."""
    like = letter_of(content)
    envelope: Envelope = replace(
        like.envelope,
        reverse_path=letter.reverse_path,
        source=letter.source,
        sender_account_id=letter.sender_account_id,
        speaker=letter.speaker,
        own_copies=letter.own_copies,
        recipients=tuple(
            EnvelopeRecipient(each.address, each.original_address, each.account_id, token=each.token)
            for each in letter.recipients
        ),
    )
    return SpooledLetter(envelope, like.body, examine(content))


def is_believed(letter: SpooledLetter) -> bool:
    allowed = TenantPolicy(allowed_senders=("mod@far.test",))
    return "mod@far.test" in posters_of(letter) or Lists().standing(letter, allowed) is Standing.ALLOWED


@pytest.mark.parametrize(("dmarc", "believed"), [(Result.PASS, True), (Result.FAIL, False)])
async def test_who_posts_by_way_of_somebodys_account_is_who_the_door_saw(
    dmarc: Result, believed: bool
) -> None:
    world = World(
        replace(envelope_of(RecipientRequest()), speaker=speaker(dmarc=dmarc)), 'redirect "news@b.test";'
    )
    await world.file()
    [letter] = world.letters.values()
    assert letter.sender_account_id, "it bears the id of who sends it on"
    assert is_believed(arrived(letter)) is believed
    # As mail of a stranger it goes past a scanner, and a list does not sign it for one of its own people.
    assert ("User", letter.sender_account_id) not in _headers(arrived(letter).envelope)
    inside = FORGED.replace(b"mod@far.test", b"boss@example.test")
    assert may_sign(NEWS, arrived(letter, inside), inside) is believed


@pytest.mark.parametrize("door", [None, speaker(dmarc=Result.PASS)])
async def test_nobody_posts_as_another_by_a_script(door: Speaker | None) -> None:
    script = (
        'require "editheader"; deleteheader "From"; addheader "From" "<mod@far.test>"; redirect "n@b.test";'
    )
    world = World(replace(envelope_of(RecipientRequest()), speaker=door), script)
    await world.file()
    [letter] = world.letters.values()
    assert b"mod@far.test" in letter.content
    assert not is_believed(arrived(letter))
    # Whose the reverse-path is, is another question: what becomes of it may be told as before.
    again = arrived(letter).envelope
    assert again.speaker is not None
    assert again.may_answer_sender is (door is None)


async def test_what_a_user_sends_on_unchanged_is_that_users_still() -> None:
    world = World(replace(envelope_of(RecipientRequest()), source=Source.SUBMISSION), 'redirect "n@b.test";')
    await world.file()
    [letter] = world.letters.values()
    assert is_believed(arrived(letter))


@pytest.mark.parametrize(("spf", "told"), [(Result.PASS, True), (Result.FAIL, False)])
async def test_whoever_writes_to_owners_in_anothers_name_has_nothing_sent_there(
    spf: Result, told: bool
) -> None:
    """Owners who are away, full or gone: their answers and notices would go to whom the stranger named."""
    around: Any = Around()
    letter = post(detail="+owner")
    await settle(around, replace(letter, envelope=replace(letter.envelope, speaker=speaker(spf))))
    [sent] = around.letters.values()
    assert sent.reverse_path == "eve@peer.invalid"
    assert arrived(sent).envelope.may_answer_sender is told


@pytest.mark.parametrize(("dmarc", "believed"), [(Result.PASS, True), (Result.FAIL, False)])
async def test_a_list_in_a_list_believes_no_more_than_the_first(dmarc: Result, believed: bool) -> None:
    around: Any = Around()
    letter = post(FORGED)
    letter = replace(letter, envelope=replace(letter.envelope, speaker=speaker(dmarc=dmarc)))
    await settle(around, letter, replace(NEWS, posting="anyone"))
    for sent in around.letters.values():
        again = arrived(sent)
        assert is_believed(again) is believed
        # The reverse-path is the list's own, and hears what becomes of copies.
        assert again.envelope.may_answer_sender
        assert again.envelope.reverse_path in posters_of(again)
