"""What tenants choose of scanning: thresholds, lists of senders, what happens while a scanner is down."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict, Unpack

import pytest
from directoryclient.policies import TenantPolicy
from mailmsg.facts import examine
from mda.core.findings import Disposition, Finding, Verdict, WhenUnscanned, decide, judged, refusal
from mda.core.standing import Lists, Standing
from mda.edge.screening import Screening
from mda.ports import ScannerUnavailable
from senderauth import Result
from spool import Source, Speaker, SpooledLetter

from tests.support.mda_world import Says, World, letter_of
from tests.support.viruses import clean

CLEAN = clean("clean")
SCORED = Finding("rspamd", Verdict.SPAM, score=7.0, threshold=6.0, action="add header")
WORM = Finding("clamav", Verdict.VIRUS, "Eicar")
WAIT, MARK = WhenUnscanned


class Scores(TypedDict, total=False):
    """A tenant's thresholds."""

    junk_score: float
    refuse_score: float
    quarantine_score: float


def decided(finding: Finding, standing: Standing = Standing.UNKNOWN, **chosen: Unpack[Scores]) -> str:
    policy = TenantPolicy(**chosen)
    return decide(judged([finding], policy), WAIT, policy, standing).value


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({}, "junk"),
        ({"junk_score": 7.0}, "junk"),
        ({"junk_score": 7.1}, "file"),
        ({"quarantine_score": 7.0}, "quarantine"),
        ({"quarantine_score": 7.1}, "junk"),
        ({"junk_score": 20.0, "refuse_score": 7.0}, "quarantine"),
    ],
)
def test_thresholds_are_the_tenants(chosen: Scores, where: str) -> None:
    assert decided(SCORED, **chosen) == where


def test_a_threshold_also_finds_spam_where_the_scanner_finds_none() -> None:
    ham = replace(SCORED, verdict=Verdict.CLEAN, score=2.0)
    assert decided(ham) == "file"
    assert decided(ham, junk_score=2.0) == "junk"
    [shown] = judged([ham], TenantPolicy(junk_score=2.0))
    assert (shown.verdict, shown.threshold) == (Verdict.SPAM, 2.0)


def test_lists_go_before_scores_but_before_no_virus() -> None:
    assert decided(SCORED, Standing.ALLOWED, quarantine_score=1.0) == "file"
    assert decided(Finding("rspamd", Verdict.CLEAN, score=0.0), Standing.BLOCKED) == "junk"
    assert decided(WORM, Standing.ALLOWED) == "quarantine"


@pytest.mark.parametrize(
    ("finding", "chosen", "standing", "why"),
    [
        (WORM, {}, Standing.ALLOWED, "virus"),
        (SCORED, {}, Standing.UNKNOWN, ""),
        (SCORED, {"refuse_score": 7.0}, Standing.UNKNOWN, "spam"),
        (SCORED, {"refuse_score": 7.0}, Standing.ALLOWED, ""),
        (SCORED, {"refuse_score": 8.0}, Standing.UNKNOWN, ""),
        (replace(SCORED, action="reject"), {}, Standing.UNKNOWN, "spam"),
        (replace(SCORED, action="reject"), {"refuse_score": 8.0}, Standing.UNKNOWN, ""),
        (SCORED, {}, Standing.BLOCKED, ""),
    ],
)
def test_what_is_refused_before_it_is_accepted(
    finding: Finding, chosen: Scores, standing: Standing, why: str
) -> None:
    assert refusal([finding], TenantPolicy(**chosen), standing) == why


def speaker(spf: Result, dmarc: Result) -> Speaker:
    none = Result.NONE
    return Speaker(spf, "peer.invalid", none, none, "", (), none, (), dmarc, "peer.invalid", "none")


def letter(by: Speaker | None, author: str = "Boss@Friends.invalid", user: str = "") -> SpooledLetter:
    made = letter_of(f"From: <{author}>\r\nSubject: x\r\n\r\nx\r\n".encode())
    return replace(made, envelope=replace(made.envelope, speaker=by, sender_account_id=user))


@pytest.mark.parametrize(
    ("allowed", "by", "standing"),
    [
        (("boss@friends.invalid",), speaker(Result.NONE, Result.PASS), Standing.ALLOWED),
        (("@friends.invalid",), speaker(Result.NONE, Result.PASS), Standing.ALLOWED),
        # Anybody can write a From; and a reverse-path.
        (("boss@friends.invalid",), speaker(Result.PASS, Result.FAIL), Standing.UNKNOWN),
        (("EVE@peer.invalid",), speaker(Result.PASS, Result.NONE), Standing.ALLOWED),
        (("eve@peer.invalid",), speaker(Result.SOFTFAIL, Result.NONE), Standing.UNKNOWN),
        (("@invalid", "@s.invalid"), speaker(Result.PASS, Result.PASS), Standing.UNKNOWN),
        # Nobody was checked at the door.
        (("boss@friends.invalid",), None, Standing.ALLOWED),
    ],
)
def test_who_is_let_past_the_filter_must_be_who_it_says(
    allowed: tuple[str, ...], by: Speaker | None, standing: Standing
) -> None:
    policy = TenantPolicy(allowed_senders=allowed)
    assert Lists().standing(letter(by), policy) is standing


def test_who_is_blocked_is_blocked_by_either_name() -> None:
    lists, forged = Lists(), letter(speaker(Result.FAIL, Result.FAIL))
    for blocked in ("boss@friends.invalid", "@peer.invalid"):
        assert lists.standing(forged, TenantPolicy(blocked_senders=(blocked,))) is Standing.BLOCKED
    both = TenantPolicy(blocked_senders=("@friends.invalid",), allowed_senders=("boss@friends.invalid",))
    assert lists.standing(letter(None), both) is Standing.ALLOWED
    assert lists.standing(forged, both) is Standing.BLOCKED


def test_nobody_is_let_past_behind_many_authors_who_may() -> None:
    policy = TenantPolicy(allowed_senders=("boss@friends.invalid",))
    for others, standing in ((5, Standing.ALLOWED), (25, Standing.UNKNOWN)):
        authors = ">, <".join(["boss@friends.invalid"] * others)
        made = letter(speaker(Result.NONE, Result.PASS), authors)
        assert Lists().standing(made, policy) is standing
    hidden = letter(
        speaker(Result.NONE, Result.PASS), ">, <".join(["boss@friends.invalid"] * 20 + ["eve@peer.invalid"])
    )
    assert Lists().standing(hidden, policy) is Standing.UNKNOWN


def test_who_is_blocked_does_not_pass_behind_a_long_header() -> None:
    """What is longer than what travels with the envelope comes without its header."""
    content = b"X-Long: " + b"x" * 40_000 + b"\r\nFrom: <boss@friends.invalid>\r\n\r\n"
    padded = replace(letter(None), facts=examine(content))
    assert padded.facts.header == b""
    lists, blocked = Lists(), TenantPolicy(blocked_senders=("boss@friends.invalid",))
    assert lists.standing(padded, blocked) is Standing.BLOCKED
    allowed = TenantPolicy(allowed_senders=("boss@friends.invalid",))
    assert lists.standing(padded, allowed) is Standing.UNKNOWN


def test_a_message_of_several_authors_is_let_past_only_where_all_are_allowed() -> None:
    policy = TenantPolicy(allowed_senders=("boss@friends.invalid",))
    several = letter(speaker(Result.NONE, Result.PASS), "boss@friends.invalid>, <eve@peer.invalid")
    assert Lists().standing(several, policy) is Standing.UNKNOWN


async def test_who_is_blocked_goes_to_junk_without_a_scanner_too_and_unread() -> None:
    world = World()
    world.policy = TenantPolicy(blocked_senders=("@peer.invalid",))
    world.send(CLEAN)
    await world.file()
    [delivery] = world.deliveries
    assert delivery.mailbox_name == "Junk"
    assert delivery.new is not None
    assert b"X-Posthouse-Sender: blocked\r\nX-Spam-Flag: YES\r\n" in delivery.new.prefix
    assert world.bodies_read == 0


async def test_who_is_allowed_is_no_spam() -> None:
    world = World()
    world.policy = TenantPolicy(allowed_senders=("eve@peer.invalid",))
    world.send(CLEAN + b"buy!\r\n")
    await world.file(Says(buy=Verdict.SPAM))
    [delivery] = world.deliveries
    assert delivery.mailbox_name == "INBOX"
    assert delivery.new is not None
    assert b"X-Posthouse-Sender: allowed\r\n" in delivery.new.prefix
    assert b"X-Spam-Flag" not in delivery.new.prefix


class Down(Says):
    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        raise ScannerUnavailable("down")

    async def check(self) -> None:
        raise ScannerUnavailable("down")


@pytest.mark.parametrize("here", [WAIT, MARK])
@pytest.mark.parametrize(("chosen", "filed"), [("retry", 0), ("deliver_marked", 1)])
async def test_what_happens_while_a_scanner_is_down_is_the_tenants_choice(
    here: WhenUnscanned, chosen: str, filed: int
) -> None:
    world = World()
    world.policy = TenantPolicy(scanner_down=chosen)
    item = world.send(CLEAN)
    await world.file(Down(), when_unscanned=here, rounds=3)
    assert len(world.deliveries) == filed
    assert set(item.outcome) == ({"acknowledged"} if filed else {"again"})


def test_the_installations_choice_holds_where_the_tenant_has_none() -> None:
    for here in WhenUnscanned:
        assert here.chosen("") is here
    assert WAIT.chosen("deliver_marked") is MARK
    assert MARK.chosen("retry") is WAIT
    assert decide([Finding("x", Verdict.UNSCANNED)], WAIT) is Disposition.WAIT


def screening_of(
    world: World, *scanners: Says, tell: Callable[[str, bytes], None] | None = None
) -> Screening:
    return Screening(
        scanners,
        world,
        when_unscanned=WAIT,
        scans_at_once=2,
        tries=3,
        pause_seconds=0.0,
        policies=world,
        tell=tell,
    )


async def test_what_was_judged_before_it_was_accepted_is_not_scanned_again() -> None:
    world, scanner = World(), Says(buy=Verdict.SPAM)
    screening = screening_of(world, scanner)
    spam = letter_of(CLEAN + b"buy!\r\n")
    assert await screening.judge(spam, CLEAN + b"buy!\r\n") == (Disposition.JUNK, "")
    screened = await screening.screen(spam)
    assert (screened.disposition, world.bodies_read, len(scanner.seen)) == (Disposition.JUNK, 0, 1)
    # From somebody else it is another message.
    other = replace(spam, envelope=replace(spam.envelope, client_address="192.0.2.9"))
    world.bodies[other.body.object_key] = CLEAN + b"buy!\r\n"
    await screening.screen(other)
    assert len(scanner.seen) == 2


async def test_what_nobody_could_look_at_is_scanned_when_it_is_filed() -> None:
    world, scanner = World(), Down()
    assert await screening_of(world, scanner).judge(letter_of(CLEAN), CLEAN) == (Disposition.WAIT, "")
    world.policy = TenantPolicy(scanner_down="deliver_marked")
    screening = screening_of(world, scanner)
    assert await screening.judge(letter_of(CLEAN), CLEAN) == (Disposition.FILE, "")
    assert not screening._remembered


async def test_a_virus_is_refused_before_and_would_be_kept_after() -> None:
    world = World()
    worm = CLEAN + b"worm!\r\n"
    screening = screening_of(world, Says(worm=Verdict.VIRUS))
    letter = letter_of(worm)
    world.bodies[letter.body.object_key] = worm
    assert await screening.judge(letter, worm) == (Disposition.QUARANTINE, "virus")
    # It came in all the same, for somebody else's sake: it is kept whole.
    screened = await screening.screen(letter)
    assert (screened.disposition, screened.content) == (Disposition.QUARANTINE, worm)


async def test_doors_are_told_of_strangers_who_bring_what_is_not_wanted() -> None:
    world = World()
    told: list[tuple[str, bytes]] = []
    scanner = Says(buy=Verdict.SPAM, worm=Verdict.VIRUS)
    screening = screening_of(world, scanner, tell=lambda subject, payload: told.append((subject, payload)))

    async def brought(text: bytes, source: Source = Source.MX, client_address: str = "192.0.2.7") -> None:
        letter = letter_of(CLEAN + text)
        envelope = replace(letter.envelope, client_address=client_address, source=source)
        letter = replace(letter, envelope=envelope)
        world.bodies[letter.body.object_key] = CLEAN + text
        await screening.screen(letter)

    await brought(b"buy!\r\n")
    await brought(b"worm!\r\n")
    assert [(subject, json.loads(payload)) for subject, payload in told] == [
        ("mail-judged", {"address": "192.0.2.7", "verdict": "spam"}),
        ("mail-judged", {"address": "192.0.2.7", "verdict": "virus"}),
    ]
    told.clear()
    await brought(b"nothing\r\n")
    await brought(b"buy!\r\n", source=Source.SUBMISSION)
    await brought(b"buy!\r\n", source=Source.SIEVE)
    await brought(b"buy!\r\n", client_address="")
    assert told == []
