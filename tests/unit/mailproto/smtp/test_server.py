"""The SMTP server machine: every command in every state, groups, budgets of a session."""

from datetime import UTC, datetime

import pytest
from mailproto.sasl import BEARER_MECHANISMS, MECHANISMS
from mailproto.sasl.scram_exchange import SCRAM_MECHANISMS
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server_config import DeliverBy, Dsn, FutureRelease, Priorities

from tests.unit.mailproto.smtp.memory import OK, Driver

EHLO = b"EHLO c.test\r\n"
MAIL = b"MAIL FROM:<a@x.test>\r\n"
RCPT = b"RCPT TO:<b@y.test>\r\n"
ROADS = {
    "START": (),
    "GREETED": (EHLO,),
    "MAIL": (EHLO, MAIL),
    "RCPT": (EHLO, MAIL, RCPT),
    "CHUNKS": (EHLO, MAIL, RCPT, b"BDAT 3\r\nS: "),
}
# command: the code in START, GREETED, MAIL, RCPT, CHUNKS
TABLE = {
    b"EHLO c.test": (250, 250, 250, 250, 250),
    b"HELO c.test": (250, 250, 250, 250, 250),
    b"MAIL FROM:<a@x.test>": (503, 250, 503, 503, 503),
    b"RCPT TO:<b@y.test>": (503, 503, 250, 250, 503),
    b"DATA": (503, 503, 554, 354, 503),
    b"RSET": (250, 250, 250, 250, 250),
    b"NOOP": (250, 250, 250, 250, 250),
    b"NOOP anything": (250, 250, 250, 250, 250),
    b"VRFY x": (250, 250, 250, 250, 250),
    b"EXPN x": (250, 250, 250, 250, 250),
    b"HELP": (214, 214, 214, 214, 214),
    b"HELP DATA": (214, 214, 214, 214, 214),
    b"MAIL FROM:<a@x.test> BY=60;R MT-PRIORITY=-1 HOLDFOR=5": (503, 250, 503, 503, 503),
    b"MAIL FROM:<a@x.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x": (503, 250, 503, 503, 503),
    b"MAIL FROM:<a@x.test> REQUIRETLS": (503, 555, 503, 503, 503),
    b"MAIL FROM:<a@x.test> HOLDFOR=61": (503, 501, 503, 503, 503),
    b"MAIL FROM:<a@x.test> MT-PRIORITY=10": (501, 501, 501, 501, 501),
    b"RCPT TO:<b@y.test> NOTIFY=DELAY ORCPT=rfc822;b@y.test": (503, 503, 250, 250, 503),
    b"RCPT TO:<b@y.test> BY=60;R": (555, 555, 555, 555, 555),
    b"EXPN": (501, 501, 501, 501, 501),
    b"XCLIENT NAME=x": (500, 500, 500, 500, 500),
    b"STARTTLS": (503, 220, 503, 503, 503),
    b"STARTTLS now": (501, 501, 501, 501, 501),
    b"AUTH PLAIN AGEAYg==": (503, 250, 503, 503, 503),
    b"AUTH PLAIN": (503, 334, 503, 503, 503),
    b"AUTH SCRAM-SHA-256": (503, 334, 503, 503, 503),
    b"AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHQBAQ==": (503, 250, 503, 503, 503),
    b"AUTH XOAUTH2": (503, 334, 503, 503, 503),
    b"AUTH GSSAPI": (503, 504, 503, 503, 503),
    b"QUIT": (221, 221, 221, 221, 221),
    b"RSET now": (501, 501, 501, 501, 501),
    b"BREW coffee": (500, 500, 500, 500, 500),
    b"BDAT 5\r\nabc": (503, 503, 554, 250, 250),
    b"BDAT 5 LAST\r\nabc": (503, 503, 554, 250, 250),
    b"BDAT 2 last\r\n": (503, 503, 554, 250, 250),
    b"BDAT -1": (501, 501, 501, 501, 501),
}


@pytest.mark.parametrize("command", TABLE, ids=[command.decode() for command in TABLE])
@pytest.mark.parametrize("state", ROADS)
def test_every_command_in_every_state(state: str, command: bytes) -> None:
    driver = Driver(
        offers_auth=True,
        mechanisms=(*SCRAM_MECHANISMS, *BEARER_MECHANISMS, *MECHANISMS),
        dsn=Dsn.OFFERED,
        deliver_by=DeliverBy.OFFERED,
        priorities=Priorities.OFFERED,
        future_release=FutureRelease(60, datetime(2030, 1, 1, tzinfo=UTC)),
    )
    for line in ROADS[state]:
        driver.say(line)
    assert driver.machine.state.name == state
    assert driver.say(command + b"\r\n") == [TABLE[command][list(ROADS).index(state)]]


def test_recipients_that_come_together_are_asked_about_together_and_answered_in_order() -> None:
    driver = Driver()
    driver.say(EHLO)
    group = MAIL + RCPT + b"RCPT TO:nonsense\r\n" + RCPT + b"RCPT TO:<c@y.test>\n" + RCPT + b"DATA\r\n"
    assert driver.say(group) == [250, 250, 501, 250, 500, 250, 354]
    [asked] = [event for event in driver.asked if isinstance(event, events.RcptAsked)]
    assert len(asked.forward_paths) == 3


def test_who_guesses_recipients_all_at_once_learns_no_more_than_one_by_one() -> None:
    driver = Driver(errors_allowed=20)
    driver.say(EHLO, MAIL)
    driver.machine.feed(RCPT + b"RCPT TO:<guess@y.test>\r\n" * 90)
    asked = driver.machine.next_event()
    assert isinstance(asked, events.RcptAsked)
    driver.machine.answer_rcpt([OK] + [Reply.of(550, "5.1.1", "No")] * 90)
    assert isinstance(driver.machine.next_event(), events.Closing)
    said = driver.machine.output()
    assert said.count(b"550 5.1.1") == 21
    assert said.endswith(b"421 4.7.0 Too many errors\r\n")


@pytest.mark.parametrize("road", [(b"AUTH PLAIN\r\n", b"AGEAYg==\r\n"), (b"AUTH LOGIN\r\n", b"YQ==\r\n")])
def test_what_is_sent_behind_an_answer_of_auth_ends_the_session(road: tuple[bytes, bytes]) -> None:
    driver = Driver(offers_auth=True, mechanisms=MECHANISMS)
    assert driver.say(EHLO, road[0]) == [250, 334]
    assert driver.say(road[1] + MAIL) == [554]
    assert driver.closed
    assert not any(isinstance(each, events.AuthAsked) for each in driver.asked)


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"post /x HTTP/1.0", b"CONNECT mx.test:25 HTTP/1.1"])
def test_who_speaks_http_is_not_listened_to(line: bytes) -> None:
    driver = Driver()
    assert driver.say(line + b"\r\nHost: mx.test\r\n\r\n" + EHLO + MAIL + RCPT) == [421]
    assert driver.closed


def test_a_driver_who_says_421_ends_the_session() -> None:
    gone = Reply.of(421, "4.7.0", "Go")
    for lines in ([MAIL], [MAIL + RCPT], [MAIL + RCPT * 2]):
        driver = Driver()
        driver.say(EHLO)
        driver.machine.feed(b"".join(lines) + b"NOOP\r\n")
        while isinstance(event := driver.machine.next_event(), events.MailAsked) and lines != [MAIL]:
            driver.machine.answer(OK)
        if isinstance(event, events.RcptAsked):
            driver.machine.answer_rcpt([gone] * len(event.rcpts))
        else:
            driver.machine.answer(gone)
        assert isinstance(driver.machine.next_event(), events.Closing)
        assert driver.machine.next_event() is None
        said = driver.machine.output()
        assert said.count(b"421 4.7.0 Go\r\n") == 1
        assert said.endswith(b"421 4.7.0 Go\r\n")


def test_limits_say_how_many_recipients_there_may_be() -> None:
    driver = Driver(recipients_allowed=3)
    driver.say(EHLO)
    assert b"250-LIMITS RCPTMAX=3\r\n" in driver.said
    assert driver.say(MAIL + RCPT * 5) == [250, 250, 250, 250, 452, 452]


@pytest.mark.parametrize("junk", [b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"EXPN x\r\n", b"HELP\r\n"])
def test_commands_that_move_no_mail_cost_errors_in_the_end(junk: bytes) -> None:
    driver = Driver(junk_allowed=10, errors_allowed=5)
    driver.say(EHLO)
    codes = driver.say(junk * 100)
    assert len(codes) == 10 + 6 + 1
    assert codes[-1] == 421
    assert driver.closed


def test_a_message_that_is_accepted_forgives_junk() -> None:
    driver = Driver(junk_allowed=10, errors_allowed=0)
    driver.say(EHLO)
    for _ in range(20):
        driver.say(b"RSET\r\n" * 8, MAIL + RCPT, b"DATA\r\n", b"x\r\n.\r\n")
    assert len(driver.messages) == 20
    assert not driver.closed


def test_help_names_what_is_offered() -> None:
    driver = Driver()
    driver.say(EHLO, b"HELP\r\n")
    assert b"STARTTLS" in driver.said
    assert b"AUTH" not in driver.said
    assert driver.say(b"HELP AUTH\r\n") == [504]


def test_what_came_in_clear_with_starttls_is_forgotten() -> None:
    injected = MAIL + RCPT + b"DATA\r\n"
    for segments in ((b"STARTTLS\r\n" + injected,), (b"STARTTLS\r\n" + injected[:7], injected[7:])):
        driver = Driver(offers_auth=True, mechanisms=(b"PLAIN",))
        driver.say(EHLO, b"AUTH PLAIN AGEAYg==\r\n")
        assert driver.machine.authenticated
        # The second segment came before the handshake, too: the driver says when TLS is there.
        driver.machine.feed(segments[0])
        assert isinstance(driver.machine.next_event(), events.TlsAsked)
        for segment in segments[1:]:
            driver.machine.feed(segment)
        driver.machine.output()
        driver.machine.tls_started()
        assert driver.machine.next_event() is None
        assert driver.machine.output() == b""
        assert not driver.machine.authenticated
        assert driver.say(MAIL) == [503]
        assert driver.say(EHLO, b"STARTTLS\r\n") == [250, 502]


def test_a_transaction_is_forgotten_where_the_protocol_says_so() -> None:
    for forget in (b"RSET\r\n", EHLO, b"HELO c.test\r\n"):
        driver = Driver()
        driver.say(EHLO, MAIL + RCPT, forget)
        assert driver.say(b"DATA\r\n") == [503]
        assert driver.say(RCPT) == [503]
