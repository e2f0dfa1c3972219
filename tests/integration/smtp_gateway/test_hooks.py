"""Hooks over real connections: a scripted milter, rspamd as a milter, a local HTTP server; and hooks that are away."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.stack.rspamd import Rspamd
from smtp_gateway.adapters.configured import hooks_of
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.hook_settings import HookSetting

from tests.support.daemons import Daemon, few_domains
from tests.support.dnsserver import free_port
from tests.support.fake_gateway import FakeGate, converse
from tests.support.milter import GO_ON, ScriptedMilter, framed, options
from tests.support.packages import needs
from tests.support.platform import free_base, open_to_others
from tests.support.viruses import GTUBE

HELLO = b"EHLO mx.peer.test\r\n"
MAIL = b"MAIL FROM:<x@peer.test>\r\n"
JONES, BROWN = b"RCPT TO:<jones@foo.com>\r\n", b"RCPT TO:<brown@foo.com>\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
TEXT = b"From: x@peer.test\r\nSubject: one\r\n two\r\nX-Old: a\r\nX-Old: b\r\n\r\nThe body.\r\n"
WHOLE = (b"DATA\r\n", TEXT + b".\r\n")


def hook(url: str, **more: Any) -> tuple[Hooked, ...]:
    return hooks_of([HookSetting(url=url, **({"seconds": 5.0} | more))])


def say(
    hooks: tuple[Hooked, ...], *chunks: bytes, role: Role = Role.MX, **more: Any
) -> tuple[bytes, FakeGate]:
    said, gate, _ = converse(role, [HELLO, *chunks], hooks=hooks, **more)
    return said, gate


def through(milter: ScriptedMilter, *chunks: bytes, **more: Any) -> tuple[bytes, FakeGate]:
    return say(hook(f"milter://127.0.0.1:{milter.port}", **more), *(chunks or (MAIL, JONES, BROWN, *WHOLE)))


# -- a milter


def test_a_milter_sees_every_stage_and_lets_go() -> None:
    with ScriptedMilter() as milter:
        said, gate = through(milter)
    assert b"250 2.0.0 Accepted as" in said
    assert milter.letters() == b"OCAHMRRTLLLLNBEQ"
    heard = dict(milter.heard)
    assert heard[b"M"] == b"<x@peer.test>\0"
    assert heard[b"H"] == b"mx.peer.test\0"
    assert heard[b"B"] == b"The body.\r\n"
    assert (b"L", b"Subject\0one\n two\0") in milter.heard
    assert gate.letters[0].content == TEXT


def test_a_milter_changes_headers_and_recipients_and_the_body_stays() -> None:
    changes = (
        framed(b"h", b"X-Spam\0no\0")
        + framed(b"i", b"\0\0\0\0X-First\0very\n first\0")
        + framed(b"m", b"\0\0\0\2X-Old\0changed\0")
        + framed(b"m", b"\0\0\0\1Subject\0\0")
        + framed(b"m", b"\0\0\0\1X-New\0new\0")
        + framed(b"+", b"<smith@foo.com>\0")
        + framed(b"+", b"<nobody@foo.com>\0")
        + framed(b"+", b"<x@far.test>\0")
        + framed(b"-", b"<brown@foo.com>\0")
        + framed(b"p")
        + framed(b"a")
    )
    with ScriptedMilter({b"E": [changes]}) as milter:
        _, gate = through(milter)
    [letter] = gate.letters
    assert (
        letter.content
        == b"From: x@peer.test\r\nX-Old: a\r\nX-Old: changed\r\nX-New: new\r\n\r\nThe body.\r\n"
    )
    assert letter.trace_prefix.startswith(b"X-First: very\r\n first\r\nX-Spam: no\r\nReceived: ")
    # What is no address of ours is not relayed for strangers, whoever asks for it.
    assert {each.address for each in letter.recipients} == {"jones@foo.com", "smith@foo.com"}


def test_who_is_quarantined_is_accepted_and_kept_apart() -> None:
    with ScriptedMilter({b"E": [framed(b"q", b"looks odd\0") + GO_ON]}) as milter:
        _, gate = through(milter)
    assert gate.letters[0].quarantined_tenants == {"tenant-foo"}


@pytest.mark.parametrize(
    ("letter", "answer", "said"),
    [
        (b"C", framed(b"r"), b"550 5.7.1 Refused by a check\r\n"),
        (b"H", framed(b"t"), b"451 4.7.1 Refused for now by a check\r\n"),
        (b"M", framed(b"y", b"553 5.1.8 Who is that?\0"), b"553 5.1.8 Who is that?\r\n"),
        (b"R", framed(b"y", b"550 No\0"), b"550 5.7.1 No\r\n"),
        (b"T", framed(b"r"), b"550 5.7.1 Refused by a check\r\n"),
        (b"L", framed(b"r"), b"550 5.7.1 Refused by a check\r\n"),
        (b"N", framed(b"t"), b"451 4.7.1 Refused for now by a check\r\n"),
        (b"B", framed(b"r"), b"550 5.7.1 Refused by a check\r\n"),
        (b"E", framed(b"y", b"554 5.7.1 a\r\n250 b\0"), b"554 5.7.1 a  250 b\r\n"),
    ],
)
def test_a_milter_refuses_at_every_stage_in_its_words(letter: bytes, answer: bytes, said: bytes) -> None:
    with ScriptedMilter({letter: [answer]}) as milter:
        heard, gate = through(milter, MAIL, JONES, *WHOLE)
    assert said in heard
    assert not gate.letters


def test_what_is_discarded_is_accepted_and_not_stored() -> None:
    for letter in (b"M", b"R", b"E"):
        with ScriptedMilter({letter: [framed(b"d")]}) as milter:
            said, gate = through(milter)
        assert said.endswith(b"250 2.0.0 Accepted\r\n")
        assert not gate.letters


def test_who_is_accepted_is_asked_about_no_more() -> None:
    for letter, heard in ((b"C", b"OCQ"), (b"M", b"OCAHMAHMQ".replace(b"AHMQ", b"AMQ")), (b"B", b"")):
        with ScriptedMilter({letter: [framed(b"a")]}) as milter:
            _, gate = through(milter, MAIL, JONES, *WHOLE, MAIL, JONES, *WHOLE)
        assert len(gate.letters) == 2
        if heard:
            assert milter.letters() == heard


def test_steps_it_does_not_want_and_answers_it_does_not_give() -> None:
    # No connect, no helo, no body; headers without answers.
    with ScriptedMilter(hello=options(without=0x1 | 0x2 | 0x10 | 0x80)) as milter:
        said, gate = through(milter, MAIL, JONES, *WHOLE)
    assert len(gate.letters) == 1, said
    assert milter.letters() == b"OAMRTLLLLNEQ"


@pytest.mark.parametrize(
    ("answers", "hello"),
    [
        ({b"E": [framed(b"b", b"another body") + GO_ON]}, options()),
        ({b"E": [framed(b"h", b"X-A\0b\nBcc: c\0") + GO_ON]}, options()),
        ({b"E": [framed(b"h", b"X A\0b\0") + GO_ON]}, options()),
        ({b"E": [framed(b"h", b"X-A\0" + b"a" * 1_000_000 + b"\0") * 5 + GO_ON]}, options()),
        ({b"E": [None]}, options()),
        ({b"M": [b"\xff\xff\xff\xff"]}, options()),
        ({}, options(version=9)),
    ],
    ids=["body", "two-fields", "no-name", "too-much", "gone", "no-packet", "no-version"],
)
def test_a_milter_that_cannot_be_followed_is_451_or_left_out_as_the_operator_chose(
    answers: dict[bytes, list[bytes | None]], hello: bytes
) -> None:
    with ScriptedMilter(answers, hello) as milter:
        said, gate = through(milter)
        assert b"451 4.7.1 A check is not available now" in said
        assert not gate.letters
        _, gate = through(milter, when_away="accept")
    assert gate.letters[0].content == TEXT
    assert gate.letters[0].trace_prefix.startswith(b"Received: ")


def test_a_milter_that_has_seen_enough_of_a_body_is_sent_no_more() -> None:
    long = b"From: x@peer.test\r\n\r\n" + (b"x" * 70 + b"\r\n") * 3000
    for answer, pieces in ((framed(b"s"), 1), (GO_ON, 4)):
        with ScriptedMilter({b"B": [answer]}) as milter:
            _, gate = through(milter, MAIL, JONES, b"DATA\r\n", long + b".\r\n")
        assert milter.letters().count(b"B") == pieces
        assert gate.letters[0].content == long


def test_a_hook_that_is_away_or_silent_costs_its_time_and_no_more() -> None:
    nobody = free_port()
    for url in (f"milter://127.0.0.1:{nobody}", f"http://127.0.0.1:{nobody}/x", "milter:///nowhere/socket"):
        stages = {"stages": ["mail"]} if url.startswith("http") else {}
        said, _ = say(hook(url, **stages), MAIL)
        assert b"451 4.7.1 A check is not available now" in said
        assert b"250 2.1.0" in say(hook(url, when_away="accept", **stages), MAIL)[0]
    with ScriptedMilter({b"M": [b""]}) as milter:
        said, _ = through(milter, MAIL, seconds=0.2)
    assert b"451 4.7.1" in said


def test_hooks_are_asked_in_turn_and_see_what_those_before_them_did() -> None:
    add = framed(b"h", b"X-One\0a\0") + framed(b"m", b"\0\0\0\1Subject\0other\0") + GO_ON
    change = framed(b"m", b"\0\0\0\1X-One\0b\0") + GO_ON
    with ScriptedMilter({b"E": [add]}) as one, ScriptedMilter({b"E": [change]}) as two:
        hooks = hooks_of([HookSetting(url=f"milter://127.0.0.1:{each.port}") for each in (one, two)])
        _, gate = say(hooks, MAIL, JONES, *WHOLE)
    assert (b"L", b"X-One\0a\0") in two.heard
    assert (b"L", b"Subject\0other\0") in two.heard
    stored = gate.letters[0].trace_prefix + gate.letters[0].content
    assert stored.count(b"X-One: ") == 1
    assert b"X-One: b\r\n" in stored


def test_what_a_hook_makes_of_a_users_message_is_checked_again() -> None:
    forged = framed(b"m", b"\0\0\0\1From\0boss@foo.com\0") + GO_ON
    mine = TEXT.replace(b"x@peer.test", b"jones@foo.com")
    whole = (LOGIN, b"MAIL FROM:<jones@foo.com>\r\n", BROWN, b"DATA\r\n", mine + b".\r\n")
    with ScriptedMilter({b"E": [forged]}) as milter:
        hooks = hook(f"milter://127.0.0.1:{milter.port}", doors=["msa"])
        said, gate = say(hooks, *whole, role=Role.MSA)
        assert b"550 5.7.1 From, Sender or a Resent field" in said
        assert not gate.letters
        # It is asked at the doors that were chosen, and told who has logged in.
        sessions = milter.sessions
        assert say(hooks, MAIL, JONES, *WHOLE)[1].letters
        assert milter.sessions == sessions
    assert any(letter == b"D" and b"{auth_authen}\0jones@foo.com\0" in data for letter, data in milter.heard)


# -- rspamd


@pytest.fixture(scope="module")
def rspamd_milter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The real daemon's proxy worker, in milter mode."""
    folder = tmp_path_factory.mktemp("rspamd-milter")
    open_to_others(folder)
    layout = Layout(folder)
    layout.prepare()
    rspamd = Rspamd(layout, Ports.at(free_base()), top_level_domains=few_domains(folder))
    rspamd.prepare()
    port = free_port()
    local = Path(layout.root) / "rspamd" / "local.d"
    (local / "worker-proxy.inc").write_text(
        f'enabled = true;\nbind_socket = "127.0.0.1:{port}";\nmilter = yes;\ncount = 1;\n'
        'upstream "local" { default = yes; self_scan = yes; }\n'
    )
    # On a machine without DNS it is a matter of chance what a message scores; only the test's own spam is any here.
    (local / "actions.conf").write_text(
        "add_header = 900;\nrewrite_subject = 900;\ngreylist = 900;\nreject = 999;\n"
    )
    (local / "milter_headers.conf").write_text(
        'enabled = true;\nuse = ["x-spamd-bar", "x-spam-status"];\nskip_local = false;\nskip_authenticated = false;\n'
    )
    with Daemon(rspamd.part(), folder / "rspamd.log"):
        yield port


@needs("rspamd")
def test_rspamd_as_a_milter_refuses_spam_and_tells_of_ham(rspamd_milter: int) -> None:
    hooks = hook(f"milter://127.0.0.1:{rspamd_milter}", seconds=30.0)
    spam = TEXT + GTUBE + b"\r\n.\r\n"
    said, gate = say(hooks, MAIL, JONES, b"DATA\r\n", spam, MAIL, JONES, *WHOLE, client="198.51.100.9")
    assert b"554 5.7.1 Gtube pattern" in said
    [letter] = gate.letters
    assert letter.content == TEXT
    assert b"X-Spam-Status: No, score=" in letter.trace_prefix


# -- HTTP


class Server:
    """Answers each question with what it was told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: bytes = b""
        self.status = 200
        self.port = 0


@contextmanager
def serving() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.headers.append(dict(self.headers))
            told.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.answer)))
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ALL = ["connect", "mail", "rcpt", "data"]


def test_an_http_hook_is_told_of_each_stage(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-of-the-hook\n")
    with serving() as server:
        hooks = hook(
            f"http://127.0.0.1:{server.port}/check?x=1",
            stages=ALL,
            content=True,
            token_file=tmp_path / "token",
        )
        said, gate = say(hooks, MAIL, JONES, *WHOLE, client="192.0.2.7")
    assert b"250 2.0.0" in said
    assert [each["stage"] for each in server.asked] == ALL
    assert {each["Authorization"] for each in server.headers} == {"Bearer secret-of-the-hook"}
    last = server.asked[-1]
    assert last["client"] == {"address": "192.0.2.7", "port": 1, "name": "", "tls_version": ""}
    assert (last["door"], last["helo"], last["sender"]) == ("mx", "mx.peer.test", "x@peer.test")
    assert last["recipients"] == ["jones@foo.com"]
    assert server.asked[2]["recipient"] == "jones@foo.com"
    assert ["Subject", "one two"] in last["fields"]
    assert base64.b64decode(last["content"]) == TEXT
    assert gate.letters[0].content == TEXT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"action": "reject", "code": 554, "text": "5.7.9 Not today"}, b"554 5.7.9 Not today\r\n"),
        ({"action": "reject"}, b"550 5.7.1 Refused by a check\r\n"),
        ({"action": "defer", "text": "later\r\n250 ok"}, b"451 4.7.1 later  250 ok\r\n"),
        ({"action": "reject", "code": 250, "text": "2.0.0 x"}, b"550 5.7.1 x\r\n"),
    ],
)
@pytest.mark.parametrize("stage", ALL)
def test_an_http_hook_refuses_in_its_words(answer: dict[str, Any], said: bytes, stage: str) -> None:
    with serving() as server:
        server.answer = json.dumps(answer).encode()
        heard, gate = say(hook(f"http://127.0.0.1:{server.port}/", stages=[stage]), MAIL, JONES, *WHOLE)
    assert said in heard
    assert not gate.letters


def test_an_http_hook_adds_fields_and_quarantines() -> None:
    with serving() as server:
        server.answer = json.dumps({"action": "quarantine", "add_fields": [["X-Score", "9.5"]]}).encode()
        _, gate = say(hook(f"http://127.0.0.1:{server.port}/"), MAIL, JONES, *WHOLE)
    assert gate.letters[0].trace_prefix.startswith(b"X-Score: 9.5\r\nReceived: ")
    assert gate.letters[0].quarantined_tenants == {"tenant-foo"}
    assert "content" not in server.asked[0]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b""),
        (302, b""),
        (200, b"[]"),
        (200, b"{"),
        (200, b"[" * 100_000),
        (200, b'{"action": "explode"}'),
        (200, b'{"add_fields": [["X-A", "b\\r\\nBcc: c"]]}'),
        (200, b'{"add_fields": 5}'),
        (200, b" " * 300_000),
    ],
)
def test_an_http_hook_that_cannot_be_understood_is_451_or_left_out(status: int, answer: bytes) -> None:
    with serving() as server:
        server.status, server.answer = status, answer
        url = f"http://127.0.0.1:{server.port}/"
        assert b"451 4.7.1 A check is not available now" in say(hook(url), MAIL, JONES, *WHOLE)[0]
        assert say(hook(url, when_away="accept"), MAIL, JONES, *WHOLE)[1].letters


@pytest.mark.parametrize("url", ["", "ftp://x/", "milter://x", "milter:", "http:///x"])
def test_a_hook_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError):
        HookSetting(url=url)
