"""What a sender asks to be told: xtext, NOTIFY, ORCPT, RET, ENVID; nothing hidden in them breaks a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp import dsn_request, xtext
from mailproto.smtp.client import Finished, Outgoing, Passed
from mailproto.smtp.dsn_request import MessageRequest, Notify, RecipientRequest, RequestInvalid, Ret
from mailproto.smtp.reply import Charset
from mailproto.smtp.server_config import Dsn

from tests.unit.mailproto.smtp.memory import Driver
from tests.unit.mailproto.smtp.test_client import Peer

EHLO = b"EHLO c.test\r\n"
MAIL = b"MAIL FROM:<a@x.test>"
BREAKS = set("\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


@given(st.text(st.characters(max_codepoint=255), min_size=1))
def test_xtext_is_read_back(text: str) -> None:
    assert xtext.decode(xtext.encode(text)) == text


@pytest.mark.parametrize(
    "text", ["", "+", "+4", "+4g", "+0d", "a b", "a=b", "a+", "\x7f", "ä", "+ 1", "a\n", "+0A\n"]
)
def test_what_is_no_xtext(text: str) -> None:
    assert xtext.decode(text) is None


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("never", Notify.NEVER),
        ("SUCCESS", Notify.SUCCESS),
        ("Success,failure,DELAY", Notify.SUCCESS | Notify.FAILURE | Notify.DELAY),
        ("FAILURE,FAILURE", Notify.FAILURE),
    ],
)
def test_notify(value: str, meaning: Notify) -> None:
    assert dsn_request.parse_notify(value) == meaning
    assert dsn_request.parse_notify(dsn_request.notify_words(meaning)) == meaning


@pytest.mark.parametrize(
    "value", ["", "NEVER,SUCCESS", "SUCCESS,", ",", "ALWAYS", "SUCCESS FAILURE", "NEVER,NEVER,DELAY"]
)
def test_what_is_no_notify(value: str) -> None:
    with pytest.raises(RequestInvalid):
        dsn_request.parse_notify(value)


@given(
    st.one_of(
        st.text(max_size=40), st.binary(max_size=12).map(lambda junk: xtext.encode(junk.decode("latin-1")))
    )
)
def test_nothing_that_is_taken_breaks_a_line(text: str) -> None:
    for kind in ("rfc822", "utf-8", "x400"):
        try:
            value = dsn_request.parse_original_recipient(f"{kind};{text}")
        except RequestInvalid:
            continue
        shown = RecipientRequest(None, value).shown_original_recipient
        assert not BREAKS & set(value + shown)
        assert len(shown.splitlines()) == 1
        assert not set(" \t") & set(value)
    try:
        envelope_id = dsn_request.parse_envelope_id(text)
    except RequestInvalid:
        return
    assert not BREAKS & set(envelope_id + MessageRequest(None, envelope_id).shown_envelope_id)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("rfc822;Bob+2Bx@a.test", "rfc822;Bob+x@a.test"),
        ("RFC822;a+20b@c", "RFC822;a b@c"),
        ("utf-8;jürgen@a.test", "utf-8;jürgen@a.test"),
        ("utf-8;j\\x{FC}rgen@a.test", "utf-8;jürgen@a.test"),
        ("utf-8;a\\x{2B}b@a.test", "utf-8;a+b@a.test"),
    ],
)
def test_original_recipients(value: str, shown: str) -> None:
    assert dsn_request.parse_original_recipient(value) == value
    assert RecipientRequest(None, value).shown_original_recipient == shown


@pytest.mark.parametrize(
    "value",
    [
        *(
            "rfc822",
            "rfc822;",
            ";a@b",
            "rf c;a",
            "rfc822;a b",
            "rfc822;a+0Ab",
            "rfc822;a+0Db",
            "rfc822;a+00b",
        ),
        *("rfc822;a+1Fb", "rfc822;a+7Fb", "rfc822;a+85b", "rfc822;jürgen@a", "rfc822;" + "a" * 500),
        *(
            "utf-8;a+b",
            "utf-8;a\\b",
            "utf-8;\\x{A}",
            "utf-8;a\\x{0A}b",
            "utf-8;a\\x{2028}b",
            "utf-8;a\\x{D800}b",
        ),
        *("utf-8;a\\x{110000}b", "utf-8;a\\x{00}b", "utf-8;", "utf-8;a=b", "utf-8;a\u202eb"),
    ],
)
def test_what_is_no_original_recipient(value: str) -> None:
    with pytest.raises(RequestInvalid):
        dsn_request.parse_original_recipient(value)


def test_success_is_told_once_behind_an_alias() -> None:
    both = RecipientRequest(Notify.SUCCESS | Notify.FAILURE, "rfc822;a")
    assert both.without_success() == RecipientRequest(Notify.FAILURE, "rfc822;a")
    assert RecipientRequest(Notify.SUCCESS).without_success() == RecipientRequest(Notify.NEVER)
    assert RecipientRequest().without_success() == RecipientRequest()
    assert RecipientRequest().wants(Notify.FAILURE)
    assert not RecipientRequest().wants(Notify.SUCCESS)
    assert not RecipientRequest(Notify.NEVER).wants(Notify.FAILURE)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        *((b"RET=FULL ENVID=QQ314159", 250), (b"ret=hdrs", 250), (b"ENVID=a+20b", 250)),
        *((b"RET=SOME", 501), (b"RET", 501), (b"RET=FULL RET=FULL", 501), (b"ENVID=a ENVID=b", 501)),
        *((b"ENVID=", 501), (b"ENVID=a+0Ab", 501), (b"ENVID=a+00", 501), (b"ENVID=" + b"a" * 101, 501)),
        *(
            (b"ENVID=" + b"a" * 100, 250),
            (b"NOTIFY=NEVER", 555),
            (b"ENVID=\xff", 501),
            (b"ENVID=\xc3\xa4", 501),
        ),
    ],
)
def test_parameters_of_mail(parameters: bytes, code: int) -> None:
    driver = Driver(dsn=Dsn.OFFERED)
    assert driver.say(EHLO, MAIL + b" " + parameters + b"\r\n") == [250, code]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        *((b"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@y.test", 250), (b"NOTIFY=never", 250)),
        *((b"NOTIFY=NEVER,SUCCESS", 501), (b"NOTIFY", 501), (b"NOTIFY=NEVER NOTIFY=NEVER", 501)),
        *((b"ORCPT=rfc822;a+0D+0Ab", 501), (b"ORCPT=b@y.test", 501), (b"RET=FULL", 555)),
        *((b"ORCPT=rfc822;a ORCPT=rfc822;b", 501), ("ORCPT=utf-8;ü@y.test".encode(), 553)),
    ],
)
def test_parameters_of_rcpt(parameters: bytes, code: int) -> None:
    driver = Driver(dsn=Dsn.OFFERED)
    assert driver.say(EHLO, MAIL + b"\r\n", b"RCPT TO:<b@y.test> " + parameters + b"\r\n") == [250, 250, code]


def test_an_original_recipient_beyond_ascii_needs_smtputf8() -> None:
    driver = Driver(dsn=Dsn.OFFERED)
    rcpt = "RCPT TO:<b@y.test> ORCPT=utf-8;ü@y.test\r\n".encode()
    assert driver.say(EHLO, MAIL + b" SMTPUTF8\r\n", rcpt) == [250, 250, 250]


def test_what_is_not_offered_is_not_taken() -> None:
    driver = Driver()
    assert driver.say(EHLO, MAIL + b" RET=FULL\r\n", MAIL + b"\r\n") == [250, 555, 250]
    assert driver.say(b"RCPT TO:<b@y.test> NOTIFY=NEVER\r\n", b"RCPT TO:<b@y.test>\r\n") == [555, 250]
    assert b"DSN" not in driver.said


ASKED = Outgoing(
    "a@x.test",
    ("b@y.test", "c@y.test"),
    9,
    request=MessageRequest(Ret.HEADERS, "id+2B1"),
    recipient_requests=(
        RecipientRequest(Notify.SUCCESS | Notify.FAILURE, "utf-8;ü@y.test"),
        RecipientRequest(),
    ),
)
GROUP = b"250 a\r\n250 b\r\n250 c\r\n354 go\r\n"


def test_wishes_are_passed_on_as_they_came() -> None:
    peer = Peer(
        b"220 hi\r\n", b"250-s\r\n250-PIPELINING\r\n250 DSN\r\n", GROUP, b"250 ok\r\n", outgoing=ASKED
    ).run()
    assert b"MAIL FROM:<a@x.test> RET=HDRS ENVID=id+2B1\r\n" in peer.said
    assert b"RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{FC}@y.test\r\n" in peer.said
    assert b"RCPT TO:<c@y.test>\r\n" in peer.said
    assert finished(peer).dsn is Passed.ON


def test_wishes_stay_here_where_the_next_system_takes_none() -> None:
    peer = Peer(b"220 hi\r\n", b"250-s\r\n250 PIPELINING\r\n", GROUP, b"250 ok\r\n", outgoing=ASKED).run()
    assert b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n" in peer.said
    assert finished(peer).dsn is Passed.NOT_ON


def test_an_original_recipient_goes_in_utf8_where_that_is_taken() -> None:
    outgoing = Outgoing("ä@x.test", ASKED.forward_paths, 9, recipient_requests=ASKED.recipient_requests)
    ehlo = b"250-s\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 DSN\r\n"
    peer = Peer(b"220 hi\r\n", ehlo, GROUP, b"250 ok\r\n", outgoing=outgoing).run()
    assert "NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;ü@y.test\r\n".encode() in peer.said
    assert outgoing.header_charset is Charset.ASCII


def finished(peer: Peer) -> Finished:
    [event] = [event for event in peer.events if isinstance(event, Finished)]
    return event
