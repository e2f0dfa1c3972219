"""Mail of accounts with a key is filed encrypted, once, and never in clear."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from blobstore import BlobUnavailable, BodyReference
from directoryclient import Unavailable
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef
from mailmsg.facts import examine
from mailstore import Delivery
from mailstore.staging import StagedBody
from mda.core.plan import plan
from mda.core.told import Refusal
from mda.edge.filing import Filing
from mda.edge.receipts import NOBODY
from mda.edge.sealing import Sealing
from pysequoia import Tsk, decrypt
from spool import SpooledLetter

from tests.support.mda_world import World, letter_of, message_of
from tests.support.reader_keys import new_openpgp, new_x509, signing_only

PLAIN = b"From: eve@peer.invalid\r\nSubject: hi\r\n\r\nsecret words\r\n"


class Keys:
    """What accounts chose, and where their bodies go."""

    def __init__(self, world: World, **keys: str) -> None:
        self._world = world
        self.keys = keys
        self.is_away = 0
        self.stored: dict[str, bytes] = {}

    async def of_account(self, account_id: str) -> AccountSettings:
        if self.is_away:
            self.is_away -= 1
            raise Unavailable("away")
        return AccountSettings(encryption_key=self.keys.get(account_id.removeprefix("id-"), ""))

    async def put_body(self, account: AccountRef, content: bytes) -> BodyReference:
        key = f"append-{len(self.stored)}"
        self.stored[key] = content
        return BodyReference(key, 0, len(content), hashlib.sha256(content).digest())


async def file(world: World, keys: Keys) -> None:
    world._rounds = 50
    filing = Filing(
        *(world, world, world, world, world.draining),
        batch_messages=64,
        retry_seconds=0.0,
        poison_tries=3,
        sealing=Sealing(keys, world, keys),
    )
    await filing.run()


async def test_each_account_by_its_own_key_and_the_others_as_it_came() -> None:
    world, (public, private) = World(), new_openpgp()
    keys = Keys(world, bob=public, carol=new_x509()[0])
    item = world.send(PLAIN, accounts=("bob", "carol", "dave"))
    await file(world, keys)
    assert item.outcome == ["acknowledged"]
    bob, carol, dave = map(message_of, world.deliveries)
    for_bob = keys.stored[bob.body.object_key]
    assert b"multipart/encrypted" in for_bob
    armoured = for_bob[for_bob.index(b"-----BEGIN PGP") : for_bob.index(b"-----END PGP MESSAGE-----") + 25]
    assert (
        decrypt(decryptor=Tsk.from_bytes(private).decryptor(), bytes=armoured).bytes
        == b"\r\nsecret words\r\n"
    )
    assert b"enveloped-data" in keys.stored[carol.body.object_key]
    assert dave.body.object_key.startswith("mail/")
    assert not any(b"secret" in content for content in keys.stored.values())
    # IMAP shows what is stored; who wrote it and why stays.
    assert bob.facts == examine(for_bob)
    assert bob.facts.envelope == dave.facts.envelope
    assert bob.prefix.startswith(b"Return-Path")


async def test_what_is_encrypted_already_is_left_alone() -> None:
    world = World()
    keys = Keys(world, bob=new_openpgp()[0])
    world.send(b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nMII")
    await file(world, keys)
    assert keys.stored == {}
    assert message_of(world.deliveries[0]).body.object_key.startswith("mail/")


async def test_nothing_is_filed_while_nobody_knows_whether_there_is_a_key() -> None:
    world = World()
    keys = Keys(world, bob=new_openpgp()[0])
    keys.is_away = 2
    item = world.send(PLAIN)
    await file(world, keys)
    assert item.outcome == ["again", "again", "acknowledged"]
    assert [message_of(each).body.object_key for each in world.deliveries] == ["append-0"]


async def test_where_the_key_can_be_used_no_more_the_sender_is_told_and_the_others_get_it() -> None:
    world = World()
    keys = Keys(world, bob=signing_only())
    item = world.send(PLAIN, accounts=("bob", "dave"))
    await file(world, keys)
    assert item.outcome == ["acknowledged"]
    assert world.refused == [("bob@example.test", "5.7.5")]
    filed = [(each.recipient, each.new is not None) for each in world.deliveries]
    assert filed == [("dave@example.test", True), ("bob@example.test", False)]


async def test_a_message_for_nobody_else_is_settled_too() -> None:
    world = World()
    item = world.send(PLAIN)
    await file(world, Keys(world, bob=signing_only()))
    assert item.outcome == ["acknowledged"]
    assert [each.new for each in world.deliveries] == [None]


async def test_a_failure_of_ours_puts_it_aside_rather_than_file_it_in_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(content: bytes, key: str) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("mda.edge.sealing.seal", breaks)
    world = World()
    item = world.send(PLAIN)
    await file(world, Keys(world, bob=new_openpgp()[0]))
    assert (item.outcome, world.deliveries) == (["again", "again", "acknowledged"], [])
    assert world.put_aside_reasons == ["a bug"]


async def test_what_a_deleted_key_of_the_tenant_encrypted_is_filed_as_it_is() -> None:
    world = World()
    item = world.send(PLAIN)
    world.bodies_shredded = True
    await file(world, Keys(world, bob=new_openpgp()[0]))
    assert (item.outcome, world.put_aside_reasons) == (["acknowledged"], [])
    [filed] = world.deliveries
    assert filed.new is not None
    assert filed.new.body.object_key in world.bodies


async def test_what_was_altered_is_not_encrypted_as_if_it_had_come_so() -> None:
    """Its digest would be that of what is encrypted: nobody could see any more that an octet was flipped."""
    world = World()
    keys = Keys(world, bob=new_openpgp()[0])
    item = world.send(PLAIN)
    [key] = world.bodies
    world.bodies[key] = PLAIN.replace(b"secret", b"sekret")
    await file(world, keys)
    assert (world.deliveries, keys.stored) == ([], {})
    assert item.deliveries == 3
    assert "altered" in world.put_aside_reasons[0]


async def test_what_was_filed_before_there_was_a_key_is_not_sealed_when_it_comes_again() -> None:
    world = World()
    keys = Keys(world)
    item = world.send(PLAIN)
    usual = world.tell

    async def told(letter: SpooledLetter, refusals: Mapping[str, Refusal] = NOBODY) -> None:
        if item.deliveries == 1:
            keys.keys["bob"] = new_openpgp()[0]
            raise Unavailable("away")
        await usual(letter, refusals)

    world.tell = told  # type: ignore[method-assign]
    await file(world, keys)
    assert item.outcome == ["again", "acknowledged"]
    assert keys.stored == {}


async def test_a_body_that_is_away_is_waited_for() -> None:
    world = World()
    keys = Keys(world, bob=new_openpgp()[0])
    world.bodies_away = True
    with pytest.raises(BlobUnavailable):
        await Sealing(keys, world, keys).seal(plan(letter_of(PLAIN)))


async def test_copies_share_their_body_and_what_a_script_changed_is_taken_as_it_is() -> None:
    world = World()
    keys = Keys(world, bob=new_openpgp()[0])
    [delivery] = plan(letter_of(PLAIN))
    assert delivery.new is not None
    changed = b"Subject: changed\r\n\r\nother secret\r\n"
    staged = StagedBody("staged/t/1", 0, len(changed), hashlib.sha256(changed).digest(), changed)
    first = replace(delivery, new=replace(delivery.new, body=staged))
    copies: list[Delivery] = [first, replace(first, recipient="bob@example.test 2", mailbox_name="Work")]
    done = await Sealing(keys, world, keys).seal(copies)
    assert [each.new.body.object_key for each in done.deliveries if each.new] == ["append-0", "append-0"]
    assert keys.stored["append-0"].startswith(b"Subject: changed\r\nMIME-Version")
