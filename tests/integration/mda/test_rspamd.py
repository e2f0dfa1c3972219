"""Rspamd, the real daemon: what it says, what it is told, and answers that are none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from mda.adapters.rspamd import Rspamd
from mda.core.findings import Finding, Verdict
from mda.core.marks import marks
from mda.ports import ScannerBroke, ScannerUnavailable
from senderauth.result import Result
from spool import Envelope, EnvelopeRecipient, Source, Speaker, SpooledLetter
from spool.speaker import Signature

from tests.support.daemons import Daemon
from tests.support.mda_world import World, letter_of, message_of
from tests.support.packages import needs
from tests.support.viruses import clean, spam
from tests.unit.mda.test_vouched import NOBODY

HAM = clean("ham")


def scanner(port: int, *, spam_score: float = 6.0, scan_octets: int = 1 << 20) -> Rspamd:
    url = f"http://127.0.0.1:{port}"
    return Rspamd(url, spam_score=spam_score, scan_seconds=20.0, scan_octets=scan_octets)


def letter_with(change: Callable[[Envelope], Envelope]) -> SpooledLetter:
    letter = letter_of(HAM)
    return replace(letter, envelope=change(letter.envelope))


def symbols_of(finding: Finding) -> set[str]:
    return {name for name, _ in finding.symbols}


@needs("rspamd")
async def test_ham_is_clean_and_its_score_is_kept(rspamd: Daemon) -> None:
    found = await scanner(rspamd.port).scan(letter_of(HAM), HAM)
    assert (found.verdict, found.action, found.threshold) == (Verdict.CLEAN, "no action", 6.0)
    assert found.score is not None
    assert found.score < 6.0
    assert len(found.symbols) > 3
    assert marks([found]).startswith(b"X-Posthouse-Scan: rspamd; verdict=clean; score=")


@needs("rspamd")
async def test_spam_is_filed_into_junk(rspamd: Daemon) -> None:
    world = World()
    world.send(spam("gtube"))
    world.send(HAM)
    await world.file(scanner(rspamd.port))
    assert [each.mailbox_name for each in world.deliveries] == ["Junk", "INBOX"]
    prefix = message_of(world.deliveries[0]).prefix
    assert b"X-Posthouse-Scan: rspamd; verdict=spam; score=" in prefix
    assert b"X-Spam-Flag: YES\r\n" in prefix


@needs("rspamd")
async def test_the_threshold_is_ours(rspamd: Daemon) -> None:
    found = await scanner(rspamd.port, spam_score=-100.0).scan(letter_of(HAM), HAM)
    assert found.verdict is Verdict.SPAM


@needs("rspamd")
async def test_it_knows_the_envelope(rspamd: Daemon) -> None:
    same = letter_with(lambda envelope: envelope)
    assert {"FROM_EQ_ENVFROM", "TO_MATCH_ENVRCPT_ALL"} <= symbols_of(
        await scanner(rspamd.port).scan(same, HAM)
    )
    other = letter_with(lambda envelope: replace(envelope, reverse_path="bounces@else.invalid"))
    assert "FROM_NEQ_ENVFROM" in symbols_of(await scanner(rspamd.port).scan(other, HAM))


@needs("rspamd")
async def test_it_counts_what_the_door_found_out_about_the_sender(rspamd: Daemon) -> None:
    proven = replace(
        NOBODY,
        spf=Result.PASS,
        spf_domain="peer.invalid",
        client_name="mx.peer.invalid",
        signatures=(Signature(Result.PASS, "peer.invalid", "s"),),
        dmarc=Result.PASS,
        author_domain="peer.invalid",
    )
    forged = replace(NOBODY, spf=Result.FAIL, dmarc=Result.FAIL, dmarc_wish="reject")

    def spoken(who: Speaker | None) -> SpooledLetter:
        return letter_with(lambda envelope: replace(envelope, speaker=who))

    good, unknown, bad = [await scanner(rspamd.port).scan(spoken(who), HAM) for who in (proven, None, forged)]
    assert {"R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"} <= symbols_of(good)
    assert {"R_SPF_FAIL", "R_DKIM_NA", "DMARC_POLICY_REJECT"} <= symbols_of(bad)
    assert good.score is not None
    assert unknown.score is not None
    assert bad.score is not None
    assert good.score < unknown.score < bad.score


@needs("rspamd")
@pytest.mark.parametrize(
    "change",
    [
        lambda envelope: replace(envelope, reverse_path=""),
        lambda envelope: replace(envelope, reverse_path="döner@bücher.example", helo="bücher.example"),
        lambda envelope: replace(envelope, client_address="2001:db8::1"),
        lambda envelope: replace(envelope, client_address="", helo=""),
        lambda envelope: replace(envelope, sender_account_id="id-alice", source=Source.SUBMISSION),
        lambda envelope: replace(
            envelope,
            recipients=tuple(
                EnvelopeRecipient(f"r{number}@example.test", "", f"id-{number}") for number in range(3000)
            ),
        ),
    ],
    ids=["notice", "utf8", "ipv6", "local", "submitted", "many"],
)
async def test_every_envelope_is_understood(rspamd: Daemon, change: Callable[[Envelope], Envelope]) -> None:
    assert (await scanner(rspamd.port).scan(letter_with(change), HAM)).verdict is Verdict.CLEAN


@needs("rspamd")
async def test_many_at_once_each_with_its_own_answer(rspamd: Daemon) -> None:
    contents = [(spam if number % 4 == 0 else clean)(f"m{number}") for number in range(40)]
    found = await asyncio.gather(*(scanner(rspamd.port).scan(letter_of(each), each) for each in contents))
    assert [each.verdict is Verdict.SPAM for each in found] == [number % 4 == 0 for number in range(40)]


async def test_our_own_notices_and_large_messages_are_left_alone() -> None:
    # Nobody listens there: nobody is asked.
    notice = letter_with(lambda envelope: replace(envelope, source=Source.DSN))
    assert (await scanner(1).scan(notice, HAM)).detail == "own-notice"
    large = await scanner(1, scan_octets=10).scan(letter_of(HAM), HAM)
    assert (large.verdict, large.detail) == (Verdict.SKIPPED, "too-large")


async def test_one_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ScannerUnavailable):
        await scanner(1).scan(letter_of(HAM), HAM)
    with pytest.raises(ScannerUnavailable):
        await scanner(1).check()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Rspamd]:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        yield scanner(server.sockets[0].getsockname()[1])


OK = b"HTTP/1.1 200 OK\r\n"
ANSWER = b'{"score": 1.0, "action": "no action", "symbols": {}}'


async def test_a_whole_answer_of_little_is_enough() -> None:
    async with answering(OK + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER) as asked:
        assert (await asked.scan(letter_of(HAM), HAM)).verdict is Verdict.CLEAN
        await asked.check()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        OK,
        OK + b"\r\n",
        OK + b"Content-Length: 900\r\n\r\n" + ANSWER,
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"\r\n[]",
        OK + b"\r\nnull",
        OK + b'\r\n{"action": "no action"}',
        OK + b'\r\n{"score": "much", "action": "no action"}',
        OK + b'\r\n{"score": NaN, "action": "no action"}',
        OK + b'\r\n{"score": 1, "action": "no action", "symbols": [1]}',
        OK + b'\r\n{"score": 1, "action": "no action", "symbols": {"A": 1}}',
        OK + b"\r\n" + b"x" * 3_000_000,
        OK + b"\r\n" + b"[" * 900_000,
    ],
)
async def test_an_answer_that_means_nothing_is_never_clean(answer: bytes) -> None:
    async with answering(answer) as asked:
        with pytest.raises(ScannerBroke):
            await asked.scan(letter_of(HAM), HAM)


@pytest.mark.parametrize("address", ["a\r\nIP: 127.0.0.1@x.test", "a\n@x.test", "a\0@x.test"])
async def test_no_address_becomes_a_field_of_the_request(address: str) -> None:
    letter = letter_with(lambda envelope: replace(envelope, reverse_path=address))
    with pytest.raises(ScannerBroke, match="control character"):
        await scanner(1).scan(letter, HAM)


def wordy(words: str, number: int) -> bytes:
    """A message of many words, like others of its kind."""
    text = " ".join(f"{word}{number % 3}" for word in words.split()) + f" {number} " + words
    return clean(f"wordy-{number}") + (text + "\r\n").encode()


SPAM_WORDS = "cheap watches luxury replica discount order today winner casino bonus spins jackpot claim prize"
HAM_WORDS = (
    "meeting minutes attached budget review colleague schedule quarterly report draft comments project"
)


@needs("rspamd")
async def test_it_learns_from_what_users_sort(rspamd: Daemon) -> None:
    learner = Rspamd(
        f"http://127.0.0.1:{rspamd.port}",
        spam_score=6.0,
        scan_seconds=20.0,
        scan_octets=1 << 20,
        learn=f"127.0.0.1:{rspamd.port + 1}",
    )
    for number in range(25):
        assert await learner.learn(wordy(SPAM_WORDS, number), is_spam=True)
        assert await learner.learn(wordy(HAM_WORDS, number), is_spam=False)
    # A second time there is nothing to learn of it.
    assert not await learner.learn(wordy(SPAM_WORDS, 0), is_spam=True)
    like_spam, like_ham = wordy(SPAM_WORDS, 99), wordy(HAM_WORDS, 99)
    found = await learner.scan(letter_of(like_spam), like_spam)
    assert "BAYES_SPAM" in symbols_of(found)
    assert "BAYES_HAM" in symbols_of(await learner.scan(letter_of(like_ham), like_ham))


async def test_a_controller_that_is_away_is_no_scanner_that_is_down() -> None:
    learner = Rspamd(
        "http://127.0.0.1:1", spam_score=6.0, scan_seconds=1.0, scan_octets=1, learn="127.0.0.1:1"
    )
    with pytest.raises(ScannerUnavailable):
        await learner.learn(HAM, is_spam=True)
    with pytest.raises(ValueError, match="controller"):
        Rspamd("http://127.0.0.1:1", spam_score=6.0, scan_seconds=1.0, scan_octets=1, learn="nowhere")
