"""The ManageSieve machine: dialogues of RFC 5804, every split, any octets, states."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.managesieve import events
from mailproto.managesieve.reader import (
    LONGEST_LINE_OCTETS,
    BadLine,
    Hopeless,
    Line,
    LineReader,
    String,
    Word,
)
from mailproto.managesieve.responses import Code, string
from mailproto.managesieve.server import (
    LITERAL_OCTETS_BEFORE_LOGIN,
    ManageSieveServer,
    Offer,
    script_name,
)
from mailproto.sasl import BEARER_MECHANISMS, MECHANISMS

from tests.support.bearer import REFUSAL, RESPONSES, TOKEN, why_not

TOKENS = (*BEARER_MECHANISMS, *MECHANISMS)
OFFER = Offer("Posthouse", ("fileinto", "vacation"), script_octets=2000, most_redirects=4)
PLAIN = b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="\r\n'


class Driver:
    """A driver with one user's scripts in memory; says yes to alice with the password secret."""

    def __init__(
        self, *, tls_offered: bool = False, plaintext_allowed: bool = True, offer: Offer = OFFER
    ) -> None:
        self.machine = ManageSieveServer(
            offer, tls_offered=tls_offered, tls_active=False, plaintext_allowed=plaintext_allowed
        )
        self.scripts: dict[str, bytes] = {}
        self.active = ""
        self.closed = False

    def feed(self, data: bytes) -> bytes:
        self.machine.receive(data)
        out = b""
        while (event := self.machine.next_event()) is not None:
            out += self.machine.data_to_send()
            if isinstance(event, events.Close):
                self.closed = True
                break
            self.do(event)
        return out + self.machine.data_to_send()

    def do(self, event: events.Event) -> None:
        machine = self.machine
        match event:
            case events.Login(login, password):
                if (login, password) == ("alice", "secret"):
                    machine.login_succeeded("alice@example.test")
                else:
                    machine.login_failed(try_later=login == "later")
            case events.TokenAsked(bearer) if bearer.token == TOKEN:
                machine.login_succeeded("alice@example.test")
            case events.TokenAsked(bearer) if bearer.token == "later":
                machine.login_failed(try_later=True)
            case events.TokenAsked():
                machine.token_refused(REFUSAL)
            case events.StartTls():
                machine.tls_started()
            case events.Unauthenticate():
                machine.unauthenticated()
            case events.PutScript(name, content):
                self.scripts[name] = content
                machine.done()
            case events.ListScripts():
                machine.listed([(name, name == self.active) for name in sorted(self.scripts)])
            case events.SetActive(name):
                self.active = name
                machine.done()
            case events.GetScript(name) if name in self.scripts:
                machine.got(self.scripts[name])
            case events.DeleteScript(name) if name in self.scripts:
                del self.scripts[name]
                machine.done()
            case events.HaveSpace() | events.CheckScript():
                machine.done()
            case events.RenameScript(name, new_name) if name in self.scripts:
                self.scripts[new_name] = self.scripts.pop(name)
                machine.done()
            case _:
                machine.refused("There is none", Code.NONEXISTENT)


def logged_in() -> Driver:
    driver = Driver()
    assert driver.feed(PLAIN).endswith(b'OK "Logged in"\r\n')
    return driver


DIALOGUE: list[tuple[bytes, bytes]] = [
    (b'NOOP "STARTTLS-SYNC-42"\r\n', b'OK (TAG "STARTTLS-SYNC-42") "Done"\r\n'),
    (b"PutScript {3+}\r\nfoo {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\n", b'OK "Done"\r\n'),
    (b'putscript "\xc3\xbcber \\"alles\\"" "keep;"\r\n', b'OK "Done"\r\n'),
    (b'SETACTIVE "foo"\r\n', b'OK "Done"\r\n'),
    (b"LISTSCRIPTS\r\n", b'"foo" ACTIVE\r\n"\xc3\xbcber \\"alles\\""\r\nOK "That is all"\r\n'),
    (b'GETSCRIPT "foo"\r\n', b"{31}\r\n#comment\r\nInvalidSieveCommand\r\n\r\nOK\r\n"),
    (b'RENAMESCRIPT "foo" "bar"\r\n', b'OK "Done"\r\n'),
    (b'GETSCRIPT "foo"\r\n', b'NO (NONEXISTENT) "There is none"\r\n'),
    (b'HAVESPACE "bar" 1999\r\n', b'OK "Done"\r\n'),
    (b'HAVESPACE "bar" 2001\r\n', b'NO (QUOTA/MAXSIZE) "A script can have 2000 octets"\r\n'),
    (b"CHECKSCRIPT {5+}\r\nkeep;\r\n", b'OK "Done"\r\n'),
    (b'SETACTIVE ""\r\n', b'OK "Done"\r\n'),
    (b'DELETESCRIPT "bar"\r\n', b'OK "Done"\r\n'),
    (
        b'PUTSCRIPT "big" {2001+}\r\n' + b"x" * 2001 + b"\r\n",
        b'NO (QUOTA/MAXSIZE) "A script can have 2000 octets"\r\n',
    ),
    (b"NOOP\r\n", b'OK "Done"\r\n'),
    (b'PUTSCRIPT "" "keep;"\r\n', b'NO "That is no name for a script"\r\n'),
    (b'PUTSCRIPT "a\x01b" "keep;"\r\n', b'NO "That is no name for a script"\r\n'),
    (b"GETSCRIPT bar\r\n", b'NO "The name of a script, please"\r\n'),
    (b"FOO {5+}\r\nNOOP\r\r\n", b'NO "Unknown command"\r\n'),
    (b'GETSCRIPT "no end\r\n', b'NO "A quoted string has no end"\r\n'),
    (b"UNAUTHENTICATE\r\n", b'OK "Nobody is logged in now"\r\n'),
    (b"LISTSCRIPTS\r\n", b'NO "Log in first"\r\n'),
    (b"LOGOUT\r\n", b'OK "Goodbye"\r\n'),
]


def test_a_session_whole_and_at_every_split() -> None:
    driver = logged_in()
    for said, answer in DIALOGUE:
        assert driver.feed(said) == answer, said
    assert driver.closed
    whole = b"".join(said for said, _ in DIALOGUE)
    expected = b"".join(answer for _, answer in DIALOGUE)
    assert logged_in().feed(whole) == expected, "pipelined"
    driver = logged_in()
    assert b"".join(driver.feed(whole[at : at + 1]) for at in range(len(whole))) == expected, "octet by octet"
    chance = random.Random(7)
    for _ in range(50):
        driver, out, rest = logged_in(), b"", whole
        while rest:
            count = chance.randrange(1, 400)
            out, rest = out + driver.feed(rest[:count]), rest[count:]
        assert out == expected


def test_the_greeting_says_what_can_be_done_now() -> None:
    greeting = Driver(tls_offered=True, plaintext_allowed=False).feed(b"").split(b"\r\n")
    assert greeting == [
        b'"IMPLEMENTATION" "Posthouse"',
        b'"SIEVE" "fileinto vacation"',
        b'"SASL" ""',
        b'"MAXREDIRECTS" "4"',
        b'"STARTTLS"',
        b'"VERSION" "1.0"',
        b'OK "ready"',
        b"",
    ]
    user = logged_in().feed(b"CAPABILITY\r\n")
    assert b'"OWNER" "alice"\r\n"UNAUTHENTICATE"\r\n' in user
    assert b'"SASL" ""\r\n' in user


def test_a_password_waits_for_tls_and_nothing_said_in_clear_counts_after_it() -> None:
    driver = Driver(tls_offered=True, plaintext_allowed=False)
    driver.feed(b"")
    assert driver.feed(PLAIN) == b'NO (ENCRYPT-NEEDED) "A password needs TLS first"\r\n'
    out = driver.feed(b'STARTTLS\r\nNOOP "injected"\r\n')
    assert out.startswith(b'OK "Begin TLS negotiation"\r\n"IMPLEMENTATION"')
    assert b"injected" not in out
    assert b'"SASL" "PLAIN LOGIN"' in out
    assert b"STARTTLS" not in out.split(b"\r\n", 1)[1]
    assert driver.feed(PLAIN) == b'OK "Logged in"\r\n'
    assert driver.feed(b"STARTTLS\r\n") == b'NO "There is no TLS to start"\r\n'


def test_authenticate_in_steps() -> None:
    driver = Driver()
    driver.feed(b"")
    assert driver.feed(b'AUTHENTICATE "login"\r\n') == b'"VXNlcm5hbWU6"\r\n'
    assert driver.feed(b'"YWxpY2U="\r\n') == b'"UGFzc3dvcmQ6"\r\n'
    assert driver.feed(b"{8+}\r\nc2VjcmV0\r\n") == b'OK "Logged in"\r\n'
    assert driver.feed(PLAIN) == b'NO "Already logged in"\r\n'
    driver = Driver()
    driver.feed(b"")
    assert driver.feed(b'AUTHENTICATE "PLAIN"\r\n') == b'""\r\n'
    assert driver.feed(b'"*"\r\n') == b'NO "Cancelled"\r\n'
    assert driver.feed(b'AUTHENTICATE "DIGEST-MD5"\r\n') == b'NO "Unknown mechanism"\r\n'
    assert driver.feed(b'AUTHENTICATE "PLAIN" "AGxhdGVyAHg="\r\n') == b'NO (TRYLATER) "Try again later"\r\n'
    for _ in range(4):
        assert driver.feed(b'AUTHENTICATE "PLAIN" "AGFsaWNlAHg="\r\n') == b'NO "Authentication failed"\r\n'
    assert (
        driver.feed(b'AUTHENTICATE "PLAIN" "AGFsaWNlAHg="\r\n')
        == b'BYE "Authentication failed too often"\r\n'
    )
    assert driver.closed


@pytest.mark.parametrize(
    "flood",
    [
        b"x" * 20_000,
        b'"' + b"x" * 20_000,
        b" " * 20_000,
        b"{5}\r\nhello\r\n",
        b"{99999999999+}\r\n",
        b"{9999999+}\r\n",
        b'"a" ' * 5000,
        b"{1+}\r\nx " * 5000,
    ],
)
def test_a_flood_ends_the_session(flood: bytes) -> None:
    driver = logged_in()
    out = driver.feed(flood)
    assert out.startswith(b"BYE ")
    assert driver.closed


def test_twenty_mistakes_are_enough() -> None:
    driver = logged_in()
    out = driver.feed(b"FOO\r\n" * 30)
    assert out.count(b"NO ") == 19
    assert out.endswith(b'BYE "Too many mistakes"\r\n')


@given(st.lists(st.binary(max_size=60) | st.sampled_from([said for said, _ in DIALOGUE]), max_size=20))
def test_any_octets_give_answers_and_no_error(pieces: list[bytes]) -> None:
    driver = logged_in()
    for piece in pieces:
        for line in driver.feed(piece).split(b"\r\n"):
            assert b"\n" not in line or b"comment" in line
        if driver.closed:
            break


@given(
    st.lists(
        st.binary(max_size=3000).map(String) | st.from_regex(rb"[a-zA-Z0-9]{1,9}", fullmatch=True).map(Word),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_is_read(arguments: list[Word | String]) -> None:
    reader = LineReader(literal_octets=4000)
    written = b" ".join(
        each.octets
        if isinstance(each, Word)
        else string(each.octets or b"").replace(b"}\r\n", b"+}\r\n", 1)
        if each.octets and string(each.octets).startswith(b"{")
        else string(each.octets or b"")
        for each in arguments
    )
    reader.add(written + b"\r\n")
    if len(written) > LONGEST_LINE_OCTETS:
        try:
            reader.next_line()
        except (Hopeless, BadLine):
            return
        return
    line = reader.next_line()
    assert line is not None
    assert list(line.arguments) == arguments


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"a", "a"),
        (b"u\xcc\x88ber", "\u00fcber"),
        (b"x" * 128, "x" * 128),
        (b"x" * 129, None),
        (b"", None),
        (b"a\r\nb", None),
        (b"a\x00b", None),
        (b"a\xe2\x80\xa8b", None),
        (b"\xff", None),
    ],
)
def test_names_of_scripts(octets: bytes, name: str | None) -> None:
    assert script_name(octets) == name


@pytest.mark.parametrize("mechanism", RESPONSES)
def test_a_token_in_place_of_the_password(mechanism: bytes) -> None:
    driver = Driver(offer=replace(OFFER, mechanisms=TOKENS))
    assert b'"SASL" "OAUTHBEARER XOAUTH2 PLAIN LOGIN"' in driver.feed(b"")

    def enter(token: str, last: bytes = b"") -> bytes:
        response = (
            RESPONSES[mechanism]("", token)
            if mechanism == b"OAUTHBEARER"
            else RESPONSES[mechanism]("a", token)
        )
        return driver.feed(b'AUTHENTICATE "' + mechanism + b'" ' + string(response) + b"\r\n" + last)

    told = enter("bad")
    assert why_not(told.strip(b'"\r\n'))["scope"] == "mail"
    assert driver.feed(b'"AQ=="\r\n').startswith(b"NO ")
    assert enter("bad", b'""\r\n').endswith(b'NO "Authentication failed"\r\n')
    assert enter("later").startswith(b"NO (TRYLATER)")
    assert enter(TOKEN).startswith(b"OK ")
    assert b'"OWNER" "alice@example.test"' in driver.feed(b"CAPABILITY\r\n")


def test_tokens_are_offered_only_where_that_is_said() -> None:
    assert Driver().feed(b'AUTHENTICATE "XOAUTH2"\r\n').endswith(b'NO "Unknown mechanism"\r\n')


def test_the_literals_of_a_command_are_kept_together_within_one_limit() -> None:
    """As many as fit on a line would hold memory for hundreds of scripts, and before a login too."""
    reader = LineReader(literal_octets=4000)
    reader.add(b"PUTSCRIPT {10+}\r\n0123456789 {4000+}\r\n" + b"a" * 4000 + b"\r\n")
    assert reader.next_line() == Line((Word(b"PUTSCRIPT"), String(b"0123456789"), String(b"a" * 4000)))
    reader.add(b"X" + b" {3000+}\r\n" + b"a" * 3000 + b" {3000+}\r\n" + b"b" * 3000 + b" {1+}\r\nc\r\n")
    assert reader.next_line() == Line((Word(b"X"), String(b"a" * 3000), String(None), String(None)))
    reader.add(b"X" + (b" {4000+}\r\n" + b"a" * 4000) * 8 + b" {1+}\r\nc\r\n")
    with pytest.raises(Hopeless):
        reader.next_line()


def test_who_is_nobody_again_may_say_no_more_than_before() -> None:
    """RFC 5804 §2.14.1: after UNAUTHENTICATE it is as before the login, what is kept of a command too."""
    driver = Driver(offer=replace(OFFER, script_octets=100_000))
    octets = LITERAL_OCTETS_BEFORE_LOGIN + 1
    said = b"NOOP {%d+}\r\n" % octets + b"a" * octets + b"\r\n"
    assert b"too large" in driver.feed(said)
    driver.feed(PLAIN)
    assert driver.feed(said).startswith(b"OK (TAG")
    driver.feed(b"UNAUTHENTICATE\r\n")
    assert b"too large" in driver.feed(said)


@pytest.mark.parametrize("behind", [PLAIN, b'NOOP "in clear"\r\n', b'NOOP "half'])
@pytest.mark.parametrize("is_same_segment", [True, False])
def test_what_is_said_behind_starttls_in_clear_is_not_heard(behind: bytes, is_same_segment: bool) -> None:
    """RFC 5804 §2.2: whoever is in between could else say something as the client, once TLS is on."""
    machine = Driver(tls_offered=True).machine
    machine.data_to_send()
    for segment in [b"STARTTLS\r\n" + behind] if is_same_segment else [b"STARTTLS\r\n", behind]:
        machine.receive(segment)
        assert machine.next_event() == events.StartTls()
    assert machine.data_to_send().startswith(b"OK")
    machine.tls_started()
    assert machine.next_event() is None
    assert b'"STARTTLS"' not in machine.data_to_send()
    machine.receive(b'NOOP "in TLS"\r\n')
    assert machine.next_event() is None
    assert machine.data_to_send() == b'OK (TAG "in TLS") "Done"\r\n'
