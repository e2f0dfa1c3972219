"""What may be said when: the states of RFC 3501 §3, and a CAPABILITY that is true in each of them."""

import base64
import zlib
from contextlib import closing

import pytest
from mailproto.imap.commands import Plain
from mailproto.imap.parse import PARSERS

from tests.support.bearer import RESPONSES, why_not
from tests.support.imap_memory import PASSWORD, Imap
from tests.support.scram import ScramClient

# A command of each kind, by the state that it needs (RFC 3501 §3). One that is not here fails a test.
ALWAYS = {
    "LANGUAGE": "LANGUAGE",
    "CAPABILITY": "CAPABILITY",
    "NOOP": "NOOP",
    "LOGOUT": "LOGOUT",
    "ID": "ID NIL",
}
STRANGERS = {"STARTTLS": "STARTTLS", "LOGIN": "LOGIN a b", "AUTHENTICATE": "AUTHENTICATE PLAIN"}
AUTHENTICATED = {
    "SELECT": "SELECT INBOX",
    "EXAMINE": "EXAMINE INBOX",
    "CREATE": "CREATE x",
    "DELETE": "DELETE x",
    "RENAME": "RENAME x y",
    "SUBSCRIBE": "SUBSCRIBE x",
    "UNSUBSCRIBE": "UNSUBSCRIBE x",
    "LIST": 'LIST "" *',
    "LSUB": 'LSUB "" *',
    "STATUS": "STATUS INBOX (MESSAGES)",
    "APPEND": "APPEND INBOX {1+}\r\nx",
    "NAMESPACE": "NAMESPACE",
    "SETACL": "SETACL INBOX anyone lr",
    "DELETEACL": "DELETEACL INBOX anyone",
    "GETACL": "GETACL INBOX",
    "LISTRIGHTS": "LISTRIGHTS INBOX anyone",
    "MYRIGHTS": "MYRIGHTS INBOX",
    "GETQUOTA": "GETQUOTA account",
    "GETQUOTAROOT": "GETQUOTAROOT INBOX",
    "IDLE": "IDLE",
    "ENABLE": "ENABLE CONDSTORE",
    "COMPRESS": "COMPRESS DEFLATE",
    "NOTIFY": "NOTIFY NONE",
    "GETMETADATA": "GETMETADATA INBOX /private/comment",
    "SETMETADATA": "SETMETADATA INBOX (/private/comment NIL)",
    "ESEARCH": "ESEARCH IN (personal) ALL",
    "UNAUTHENTICATE": "UNAUTHENTICATE",
    "RESETKEY": "RESETKEY INBOX",
    "GENURLAUTH": "GENURLAUTH imap://a@localhost/INBOX/;UID=1;URLAUTH=anonymous INTERNAL",
    "URLFETCH": "URLFETCH x",
}
SELECTED_ONLY = {
    "CHECK": "CHECK",
    "CLOSE": "CLOSE",
    "UNSELECT": "UNSELECT",
    "EXPUNGE": "EXPUNGE",
    "UID EXPUNGE": "UID EXPUNGE 1",
    "CANCELUPDATE": 'CANCELUPDATE "x"',
    **{
        f"{uid}{verb}": f"{uid}{verb} {arguments}"
        for uid in ("", "UID ")
        for verb, arguments in {
            "SEARCH": "ALL",
            "SORT": "(DATE) UTF-8 ALL",
            "THREAD": "REFERENCES UTF-8 ALL",
            "FETCH": "1 FLAGS",
            "STORE": "1 FLAGS ()",
            "COPY": "1 INBOX",
            "MOVE": "1 INBOX",
            "REPLACE": "1 INBOX {1+}\r\nx",
        }.items()
    },
}


def test_every_command_stands_in_the_table() -> None:
    known = {verb.decode() for verb in PARSERS} | set(Plain.__members__)
    assert known == ALWAYS.keys() | STRANGERS.keys() | AUTHENTICATED.keys() | SELECTED_ONLY.keys()


@pytest.mark.parametrize("command", [*AUTHENTICATED.values(), *SELECTED_ONLY.values()])
def test_before_the_login(imap: Imap, command: str) -> None:
    client = imap.connect()
    client.exchange(b"")
    assert client.say(command) == ["BAD [CLIENTBUG] Log in first"]


@pytest.mark.parametrize("command", SELECTED_ONLY.values())
def test_without_a_mailbox(imap: Imap, command: str) -> None:
    assert imap.client().say(command) == ["BAD [CLIENTBUG] Select a mailbox first"]


@pytest.mark.parametrize("command", ALWAYS.values())
def test_always(imap: Imap, command: str) -> None:
    stranger = imap.connect()
    stranger.exchange(b"")
    assert stranger.say(command)[-1].startswith("OK")
    assert imap.client().say(command)[-1].startswith("OK")


# Every command that names a mailbox or messages, on what another account has: it is as if it were not there.
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        *((f"{verb} Secret", "NO [NONEXISTENT]") for verb in ("SELECT", "EXAMINE", "DELETE")),
        ("RENAME Secret Mine", "NO [NONEXISTENT]"),
        ("STATUS Secret (MESSAGES)", "NO [NONEXISTENT]"),
        ("APPEND Secret {1+}\r\nx", "NO [TRYCREATE]"),
        ("COPY 1 Secret", "NO [TRYCREATE]"),
        ("MOVE 1 Secret", "NO [TRYCREATE]"),
        ("REPLACE 1 Secret {1+}\r\nx", "NO [TRYCREATE]"),
        ("GETMETADATA Secret /private/comment", "NO [NONEXISTENT]"),
        ("SETMETADATA Secret (/private/comment NIL)", "NO [NONEXISTENT]"),
        ("CREATE Secret", "OK"),
    ],
)
def test_what_another_has_is_not_there(imap: Imap, command: str, answer: str) -> None:
    bob = imap.client("bob")
    bob.say("CREATE Secret")
    bob.append("Subject: x\n\nx\n", "Secret")
    alice = imap.client("alice")
    alice.append("Subject: y\n\ny\n")
    alice.say("SELECT INBOX")
    assert alice.say(command)[-1].startswith(answer)


@pytest.mark.parametrize(
    "command",
    [
        *('LIST "" *', 'LSUB "" *', 'LIST (SUBSCRIBED) "" *', "ESEARCH IN (personal) ALL"),
        *(
            "ESEARCH IN (mailboxes Secret subtree Secret) ALL",
            "NOTIFY SET STATUS (personal (MessageNew MessageExpunge))",
        ),
    ],
)
def test_what_another_has_is_not_listed(imap: Imap, command: str) -> None:
    bob, alice = imap.client("bob"), imap.client("alice")
    bob.say("CREATE Secret")
    bob.say("SUBSCRIBE Secret")
    bob.append("Subject: x\n\nx\n", "Secret")
    assert not [line for line in alice.say(command) if "Secret" in line]
    bob.append("Subject: x\n\nx\n", "Secret")
    assert alice.heard() == []


@pytest.mark.parametrize("command", ["LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS"])
def test_after_the_login(imap: Imap, command: str) -> None:
    assert imap.client().say(command)[-1].startswith("BAD [CLIENTBUG]")


@pytest.mark.parametrize("command", ["STORE 1 FLAGS ()", "EXPUNGE", "MOVE 1 Archive", "UID EXPUNGE 1"])
def test_read_only(imap: Imap, command: str) -> None:
    client = imap.client()
    client.append("Subject: x\n\nx\n")
    client.say("EXAMINE INBOX")
    assert client.say(command)[-1].startswith("NO [NOPERM]")


def test_where_a_password_would_be_heard_none_is_taken() -> None:
    imap = Imap(allow_plaintext_login="never")
    try:
        clear = imap.connect()
        greeting = clear.exchange(b"").decode()
        assert "LOGINDISABLED" in greeting
        assert "AUTH=" not in greeting
        assert clear.say(f"LOGIN alice {PASSWORD}")[-1].startswith("NO [PRIVACYREQUIRED]")
        assert clear.say("AUTHENTICATE PLAIN")[-1].startswith("NO [PRIVACYREQUIRED]")
        safe = imap.connect(is_tls=True)
        greeting = safe.exchange(b"").decode()
        assert "LOGINDISABLED" not in greeting
        assert "AUTH=PLAIN" in greeting
        assert safe.say(f"LOGIN alice {PASSWORD}")[-1].startswith("OK [CAPABILITY ")
    finally:
        imap.close()


def test_the_initial_response_saves_a_turn(imap: Imap) -> None:
    plain = base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()
    at_once = imap.connect()
    at_once.exchange(b"")
    assert at_once.say(f"AUTHENTICATE PLAIN {plain}")[-1].startswith("OK")
    in_turns = imap.connect()
    in_turns.exchange(b"")
    assert in_turns.exchange(b"a AUTHENTICATE PLAIN\r\n") == b"+ \r\n"
    assert in_turns.exchange(plain.encode() + b"\r\n").startswith(b"a OK")
    cancelled = imap.connect()
    cancelled.exchange(b"")
    assert cancelled.exchange(b"a AUTHENTICATE PLAIN\r\n") == b"+ \r\n"
    assert cancelled.exchange(b"*\r\n").startswith(b"a BAD")


def test_scram_lets_in_without_the_password(imap: Imap) -> None:
    client = imap.connect()
    assert "AUTH=SCRAM-SHA-256 AUTH=PLAIN" in client.exchange(b"").decode()
    proof = ScramClient("alice", PASSWORD)
    assert client.exchange(b"a AUTHENTICATE SCRAM-SHA-256\r\n") == b"+ \r\n"
    first = client.exchange(proof.first() + b"\r\n").strip()
    last = client.exchange(proof.answer(first.removeprefix(b"+ ")) + b"\r\n").strip()
    proof.check(last.removeprefix(b"+ "))
    assert client.exchange(b"\r\n").startswith(b"a OK [CAPABILITY ")
    assert client.say("SELECT INBOX")[-1].startswith("OK")


@pytest.mark.parametrize(
    ("password", "breaks_off", "answer"),
    [("wrong", False, b"a NO [AUTHENTICATIONFAILED]"), (PASSWORD, True, b"a BAD")],
)
def test_scram_that_goes_wrong_lets_nobody_in(
    imap: Imap, password: str, breaks_off: bool, answer: bytes
) -> None:
    client = imap.connect()
    client.exchange(b"")
    proof = ScramClient("alice", password)
    first = client.exchange(b"a AUTHENTICATE SCRAM-SHA-256 " + proof.first() + b"\r\n").strip()
    said = client.exchange(proof.answer(first.removeprefix(b"+ ")) + b"\r\n")
    if breaks_off:
        said = client.exchange(b"*\r\n")
    assert said.startswith(answer)
    assert client.say("SELECT INBOX")[-1].startswith("BAD")
    nonsense = client.exchange(b"b AUTHENTICATE SCRAM-SHA-256 bm9uc2Vuc2U=\r\n")
    assert nonsense.startswith(b"b BAD")


@pytest.mark.parametrize("mechanism", RESPONSES)
def test_a_token_in_place_of_the_password(mechanism: bytes) -> None:
    with closing(Imap(oauth="on")) as server:
        client = server.connect()
        assert "AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN" in client.exchange(b"").decode()
        said = client.exchange(
            b"a AUTHENTICATE " + mechanism + b" " + RESPONSES[mechanism]("alice", "bad") + b"\r\n"
        )
        assert why_not(said.strip().removeprefix(b"+ "))["scope"] == "mail"
        assert client.exchange(b"AQ==\r\n").startswith(b"a NO [AUTHENTICATIONFAILED]")
        assert client.exchange(b"b AUTHENTICATE " + mechanism + b" bm9uc2Vuc2U=\r\n").startswith(b"b BAD")
        assert client.exchange(b"c AUTHENTICATE " + mechanism + b"\r\n") == b"+ \r\n"
        assert client.exchange(RESPONSES[mechanism]("alice") + b"\r\n").startswith(b"c OK [CAPABILITY ")
        assert client.say("SELECT INBOX")[-1].startswith("OK")


def test_tokens_are_offered_only_where_the_installation_says_so(imap: Imap) -> None:
    client = imap.connect()
    assert b"BEARER" not in client.exchange(b"")
    assert client.say("AUTHENTICATE OAUTHBEARER AQ==")[-1].startswith("NO [CANNOT]")


def test_capabilities_before_and_after_the_login(imap: Imap) -> None:
    client = imap.connect()
    before = client.exchange(b"").decode()
    assert "IDLE" not in before
    after = client.say(f"LOGIN alice {PASSWORD}")[-1]
    assert f"[{client.say('CAPABILITY')[0][2:]}]" in after
    assert " AUTH=" not in after
    assert "URLAUTH" not in before
    assert "APPENDLIMIT=52428800" in after


REFUSALS = [
    ("SELECT Nowhere", "NO [NONEXISTENT]"),
    ("STATUS Nowhere (MESSAGES)", "NO [NONEXISTENT]"),
    ("CREATE Archive", "NO [ALREADYEXISTS]"),
    ("CREATE inbox", "NO [ALREADYEXISTS]"),
    ("CREATE a//b", "NO [CANNOT]"),
    ("DELETE INBOX", "NO [CANNOT]"),
    ("DELETE Nowhere", "NO [NONEXISTENT]"),
    ("RENAME Nowhere x", "NO [NONEXISTENT]"),
    ("RENAME Archive Sent", "NO [ALREADYEXISTS]"),
    ("APPEND Nowhere {1+}\r\nx", "NO [TRYCREATE]"),
    ("SEARCH " + "NOT " * 100 + "ALL", "BAD [LIMIT]"),
    ("FETCH 1 FLAGS", "BAD [CLIENTBUG]"),
    ("UID COPY 1 Nowhere", "NO [TRYCREATE]"),
    ("STORE 1 +FLAGS (" + "k" * 65 + ")", "BAD [CLIENTBUG]"),
]


@pytest.mark.parametrize(("command", "answer"), REFUSALS)
def test_refusals_say_why(imap: Imap, command: str, answer: str) -> None:
    said = imap.client(select="INBOX").say(command)[-1]
    assert said.startswith(answer), said


def test_an_expunge_that_cannot_be_told_yet_is_hinted_at(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for _ in range(2):
        one.append("Subject: x\n\nx\n")
    two.say("NOOP")
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    assert two.say("FETCH 2 UID") == ["* 2 FETCH (UID 2)", "OK [EXPUNGEISSUED] FETCH completed"]
    assert two.say("NOOP") == ["* 1 EXPUNGE", "OK NOOP completed"]


def test_unselect_removes_nothing_and_close_does(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    client.say("STORE 1 +FLAGS (\\Deleted)")
    assert client.say("UNSELECT") == ["OK UNSELECT completed"]
    assert "* 1 EXISTS" in client.say("SELECT INBOX")
    assert client.say("CLOSE") == ["OK CLOSE completed"]
    assert "* 0 EXISTS" in client.say("SELECT INBOX")


def test_a_connection_is_used_again_by_another(imap: Imap) -> None:
    client = imap.client(select="INBOX (CONDSTORE)")
    client.append("Subject: x\n\nx\n")
    client.say("ENABLE IMAP4rev2 QRESYNC")
    client.say("NOTIFY SET (personal (MessageNew MessageExpunge))")
    assert client.say("UNAUTHENTICATE") == ["OK UNAUTHENTICATE completed"]
    assert client.say("NOOP") == ["OK NOOP completed"]
    assert client.say("STATUS INBOX (MESSAGES)")[-1].startswith("BAD [CLIENTBUG]")
    assert client.say("UNAUTHENTICATE")[-1].startswith("BAD [CLIENTBUG]")
    assert client.say(f"LOGIN bob {PASSWORD}")[-1].startswith("OK [CAPABILITY")
    assert "* 0 EXISTS" in client.say("SELECT INBOX")
    assert "* ENABLED CONDSTORE" in client.say("ENABLE CONDSTORE")
    # Nothing is heard of the first any more.
    imap.client().append("Subject: y\n\ny\n")
    assert client.heard() == []


def test_a_compressed_connection_is_not(imap: Imap) -> None:
    client = imap.client()
    assert "UNAUTHENTICATE" in client.say("CAPABILITY")[0]
    client.say("COMPRESS DEFLATE")
    out = zlib.compressobj(6, zlib.DEFLATED, -15)
    said = client.exchange(out.compress(b"a UNAUTHENTICATE\r\n") + out.flush(zlib.Z_SYNC_FLUSH))
    assert zlib.decompressobj(-15).decompress(said).startswith(b"* BYE")
    assert client.is_over


def test_a_certificate_lets_in(imap: Imap) -> None:
    shown = imap.connect(is_tls=True, certificate=b"alice")
    assert "AUTH=EXTERNAL" in shown.exchange(b"").decode()
    wanted = base64.b64encode(b"bob").decode()
    assert shown.say(f"AUTHENTICATE EXTERNAL {wanted}")[-1].startswith("NO [AUTHENTICATIONFAILED]")
    assert shown.say("AUTHENTICATE EXTERNAL =")[-1].startswith("OK [CAPABILITY ")
    in_turns = imap.connect(is_tls=True, certificate=b"alice")
    in_turns.exchange(b"")
    assert in_turns.exchange(b"a AUTHENTICATE EXTERNAL\r\n") == b"+ \r\n"
    assert in_turns.exchange(base64.b64encode(b"alice") + b"\r\n").startswith(b"a OK")
    assert in_turns.say("SELECT INBOX")[-1].startswith("OK")
    for answer in (b"*", b"no base64"):
        broken = imap.connect(is_tls=True, certificate=b"alice")
        broken.exchange(b"")
        broken.exchange(b"a AUTHENTICATE EXTERNAL\r\n")
        assert broken.exchange(answer + b"\r\n").startswith(b"a BAD")
    without = imap.connect(is_tls=True)
    assert "EXTERNAL" not in without.exchange(b"").decode()
    assert without.say("AUTHENTICATE EXTERNAL =")[-1].startswith("NO [CANNOT]")


def test_with_a_certificate_one_may_be_let_in_at_once() -> None:
    imap = Imap(certificate_login="preauth")
    try:
        client = imap.connect(is_tls=True, certificate=b"alice")
        greeting = client.exchange(b"").decode()
        assert greeting.startswith("* PREAUTH [CAPABILITY ")
        assert "IDLE" in greeting
        assert client.say("SELECT INBOX")[-1].startswith("OK")
        assert imap.connect(is_tls=True).exchange(b"").startswith(b"* OK ")
    finally:
        imap.close()
    off = Imap(certificate_login="off")
    try:
        assert b"EXTERNAL" not in off.connect(is_tls=True, certificate=b"alice").exchange(b"")
    finally:
        off.close()
