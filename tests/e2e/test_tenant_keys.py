"""A tenant that encrypts its bodies: its mail flows as ever, nothing that rests can be read, and a deleted key ends it."""

import asyncio
import imaplib
import json
import poplib
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from posthouse.stack.seaweed import Seaweed

from tests.e2e.letters import after_trace, plain
from tests.e2e.test_forwarding import eventually
from tests.e2e.test_respool import respool
from tests.e2e.test_sieve import mailbox, sieve
from tests.support.platform import Account, Platform
from tests.support.sink import SmtpSink

# Of every body here, and of no header.
MARK = b"the-stork-lands-at-dawn"
TENANT = "vault"
LONG = MARK + b" and goes on and on and on.\r\n"


@dataclass
class House:
    """An installation whose tenant encrypts its bodies; the rest of the world is a sink."""

    platform: Platform
    sink: SmtpSink
    tenant_id: str = ""

    def account(self, name: str) -> Account:
        return self.platform.create_account(f"{name}@{TENANT}.test")

    def api(self, method: str, path: str, **values: Any) -> Any:
        with self.platform._api() as api:
            answer = api.request(method, f"/v1/{path}", **values)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    def bring(self, account: Account, name: str, text: bytes) -> bytes:
        """A stranger brings it."""
        letter = plain(name, "eve@peer.invalid", account.address, text)
        with smtplib.SMTP("127.0.0.1", self.platform.ports.smtp) as session:
            session.sendmail("eve@peer.invalid", [account.address], letter.content)
        return letter.content

    def send(self, account: Account, recipient: str, name: str, text: bytes) -> bytes:
        letter = plain(name, account.address, recipient, text)
        with smtplib.SMTP("127.0.0.1", self.platform.ports.submission) as session:
            session.login(account.address, account.password)
            session.sendmail(account.address, [recipient], letter.content)
        return letter.content

    def imap(self, account: Account) -> imaplib.IMAP4:
        session = imaplib.IMAP4("127.0.0.1", self.platform.ports.imap)
        session.login(account.address, account.password)
        return session

    def newest(self, account: Account, uid: int) -> bytes:
        """The message with this UID, once it is there."""

        def found() -> bytes:
            with self.imap(account) as session:
                session.select("INBOX", readonly=True)
                _, data = session.uid("FETCH", str(uid), "(BODY.PEEK[])")
                return next((bytes(item[1]) for item in data if isinstance(item, tuple)), b"")

        return bytes(eventually(found))

    def objects(self) -> dict[str, bytes]:
        """All that is in the bucket of this tenant."""

        async def read() -> dict[str, bytes]:
            store = Seaweed(self.platform.layout, self.platform.ports).store()
            return {
                item.key: await store.get(item.key) async for item in store.list(f"mail/{self.tenant_id}/")
            }

        return asyncio.run(read())

    def rows(self, query: str) -> list[Any]:
        dsn = (self.platform.layout.secrets / "dsn-store_app").read_text().strip()

        async def read() -> list[Any]:
            connection = await asyncpg.connect(dsn)
            try:
                async with connection.transaction():
                    await connection.execute(
                        "SELECT set_config('posthouse.tenant', $1, true)", self.tenant_id
                    )
                    return list(await connection.fetch(query))
            finally:
                await connection.close()

        return asyncio.run(read())


@pytest.fixture(scope="module")
def house(platform: Platform) -> Iterator[House]:
    with SmtpSink() as sink:
        house = House(platform, sink)
        made = house.api("POST", "tenants", json={"name": TENANT})
        house.tenant_id = made["tenant_id"]
        house.api("POST", "domains", json={"name": f"{TENANT}.test", "tenant": TENANT})
        house.api("PUT", "routes", json={"domain": "far.test", "host": f"127.0.0.1:{sink.port}"})
        platform.choose(f"tenants/{TENANT}/policy", encrypt_bodies=True)
        yield house


def fetched(session: imaplib.IMAP4, uid: str, what: str = "BODY.PEEK[]") -> bytes:
    answer, data = session.uid("FETCH", uid, f"({what})")
    assert answer == "OK", data
    content: bytes = next(item[1] for item in data if isinstance(item, tuple))
    return content


def test_mail_flows_and_nothing_that_rests_can_be_read(house: House) -> None:
    reader, friend = house.account("reader"), house.account("friend")
    # From outside, short and over many chunks, and one that is in an object of its own.
    texts = {"short": LONG, "chunks": LONG * 1_500, "alone": LONG * 12_000}
    contents = {name: house.bring(reader, name, text) for name, text in texts.items()}
    found = [content for _, content in mailbox(house.platform, reader, "INBOX", len(texts))]
    for name, content in contents.items():
        [arrived] = [each for each in found if f"Subject: {name}\r\n".encode() in each]
        assert after_trace(arrived, content) == content

    # Among ourselves, and out.
    sent = house.send(reader, friend.address, "inside", LONG)
    [(_, arrived)] = mailbox(house.platform, friend, "INBOX", 1)
    assert after_trace(arrived, sent) == sent
    sent = house.send(reader, "joe@far.test", "outside", LONG)
    taken = eventually(lambda: house.sink.taken)[0]
    assert after_trace(taken.content, sent) == sent

    # A script that reads the body, and sends it on.
    with sieve(house.platform, friend) as client:
        client.run(
            'require ["body", "copy"];\r\n'
            f'if body :contains "stork" {{ redirect :copy "{reader.address}"; }}\r\n'
        )
    house.bring(friend, "onward", LONG)
    assert len(mailbox(house.platform, reader, "INBOX", 4)) == 4

    # What a client appends: short (it waits in the database), long, put together from others; ranges; copies.
    with house.imap(reader) as session:
        session.select("INBOX")
        for name, times in (("appended", 1), ("appended-long", 60_000)):
            content = plain(name, reader.address, reader.address, LONG * times).content
            answer, data = session.append("Drafts", "", "", content)
            assert answer == "OK", data
        tag = session._new_tag().decode()
        session.send(
            f'{tag} APPEND Drafts CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER" URL "/INBOX/;UID=1/;SECTION=TEXT")\r\n'.encode()
        )
        assert session.readline().startswith(f"{tag} OK".encode())
        assert session.uid("COPY", "1:*", "Archive")[0] == "OK"
        session.select("Archive")
        [uids] = session.uid("SEARCH", "SUBJECT", "chunks")[1]
        assert fetched(session, uids.decode(), "BODY.PEEK[TEXT]<16300.200>") == (LONG * 1_500)[16_300:16_500]
        assert session.uid("SEARCH", "BODY", '"lands-at-dawn"')[1][0].count(b" ") == 3
        session.select("Drafts")
        for uid, times in (("1", 1), ("2", 60_000), ("3", 1)):
            assert fetched(session, uid).endswith(LONG * times)

    box = poplib.POP3("127.0.0.1", house.platform.ports.pop3)
    box.user(reader.address)
    box.pass_(reader.password)
    assert MARK in b"\r\n".join(box.retr(1)[1])
    box.quit()

    objects = house.objects()
    assert sum(MARK in content for content in objects.values()) == 0
    assert len(objects) >= 5
    assert all(".k1." in key for key in objects)
    # Nor can it be read where it waits for the object storage, nor after that.
    assert not any(MARK in (row["content"] or b"") for row in house.rows("SELECT content FROM staged_body"))
    eventually(lambda: not house.rows("SELECT FROM staged_body WHERE content IS NOT NULL") and "packed")
    with house.imap(reader) as session:
        session.select("Drafts")
        assert fetched(session, "1").endswith(b"\r\n\r\n" + LONG)
    assert house.rows("SELECT FROM message_text") == []
    for row in house.rows("SELECT header, envelope, bodystructure, body FROM message"):
        assert not any(word in value.lower() for value in row for word in (b"subject", b"plain", b"peer"))
    assert list(leaking(house.platform.folder)) == []
    # The records say who they are for, to who has the key.
    report = respool(house.platform, "--dry-run")
    assert (report["unreadable"], report["altered"]) == ([], [])
    assert report["settled"] >= 6


def leaking(folder: Path) -> Iterator[Path]:
    """Files of the stores that hold a body: logs of the database and of the bus too."""
    for path in folder.rglob("*"):
        if path.is_file() and MARK in path.read_bytes():
            yield path


def test_rotation_and_the_end(house: House) -> None:
    user, platform = house.account("shredded"), house.platform
    old = house.bring(user, "before", LONG)
    mailbox(platform, user, "INBOX", 1)
    made = house.api("POST", f"tenants/{TENANT}/keys/rotate")
    new = house.bring(user, "after", LONG * 2_000)
    found = [content for _, content in mailbox(platform, user, "INBOX", 2)]
    assert [after_trace(*pair) for pair in zip(found, (old, new), strict=True)] == [old, new]
    versions = {key.rpartition(".k")[2].partition(".")[0] for key in house.objects() if ".k" in key}
    assert str(made["version"]) in versions
    assert len(versions) == 2

    # It waits for another system, and one waits in the database.
    house.sink.script["RCPT"] = "451 4.7.1 later"
    house.send(user, "late@far.test", "waits", LONG)
    with house.imap(user) as session:
        session.append("Drafts", "", "", plain("draft", user.address, user.address, LONG).content)

    def waiting() -> Any:
        return house.api("GET", "queue/items", params={"tenant": TENANT})["items"]

    [item] = eventually(waiting)
    assert house.api("POST", f"tenants/{TENANT}/keys/delete", json={"confirm_name": TENANT})["deleted"] == 2

    def refused() -> Any:
        with house.imap(user) as session:
            session.select("INBOX", readonly=True)
            answer, data = session.uid("FETCH", "1", "(BODY.PEEK[])")
            return data[0] if answer == "NO" else None

    assert b"key" in eventually(refused)
    with house.imap(user) as session:
        session.select("INBOX", readonly=True)
        # The list of messages is there, and says nothing; what every FETCH of their octets says is no bug of ours.
        answer, data = session.uid("FETCH", "1:*", "(FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE)")
        assert answer == "OK"
        assert [b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" in line for line in data] == [True, True]
        for what in ("BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[]"):
            answer, data = session.uid("FETCH", "2", f"({what})")
            assert answer == "NO"
            assert b"SERVERBUG" not in data[0]
        session.select("Drafts", readonly=True)
        assert session.uid("FETCH", "1", "(BODY.PEEK[])")[0] == "NO"

    def told() -> Any:
        client = poplib.POP3("127.0.0.1", platform.ports.pop3)
        client.user(user.address)
        client.pass_(user.password)
        try:
            client.retr(1)
        except poplib.error_proto as error:
            return bytes(error.args[0])
        finally:
            client.quit()

    assert eventually(told).startswith(b"-ERR")

    # What was under way fails, and its sender is told without it.
    house.sink.script["RCPT"] = "250 2.1.5 ok"
    retry = {"action": "retry", "filter": {"queue_ids": [item["queue_id"]]}}
    assert house.api("POST", "queue/changes", json=retry)["changed"] == 1
    notice = house.newest(user, 3)
    assert b"5.3.0" in notice
    assert MARK not in notice
    assert len(house.sink.taken) == 1
    # The tenant lives on: what comes now has a new key.
    letter = house.bring(user, "again", LONG)
    assert after_trace(house.newest(user, 4), letter) == letter
    assert [
        key["version"] for key in house.api("GET", f"tenants/{TENANT}/keys")["items"] if key["encrypts"]
    ] == [3]


def posthouse(house: House, *words: str, code: int = 0) -> str:
    line = [sys.executable, "-m", "posthouse", *words, "--data", str(house.platform.folder)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_a_new_key_encryption_key_takes_over(house: House) -> None:
    user = house.account("rewrapped")
    letter = house.bring(user, "kept", LONG)
    assert after_trace(house.newest(user, 1), letter) == letter
    old = house.api("GET", "keys")
    [use] = old["uses"]
    assert (use["wrapped_with"], use["keys"] >= 1) == (old["current"], True)
    new = json.loads(posthouse(house, "keys", "begin", "--json"))["current"]
    assert new != old["current"]
    assert "rewrap` comes first" in posthouse(house, "keys", "retire", code=1)
    assert house.api("POST", "keys/rewrap") == {"rewrapped": use["keys"], "unopened": 0}
    assert json.loads(posthouse(house, "keys", "retire", "--json")) == {"current": new, "retired": 1}
    assert house.api("GET", "keys")["uses"] == [{"wrapped_with": new, "keys": use["keys"]}]
    # Every process forgets what it has, and gets the older key by the new key-encryption key.
    house.api("POST", f"tenants/{TENANT}/keys/rotate")
    assert after_trace(house.newest(user, 1), letter) == letter
