"""OAUTHBEARER and XOAUTH2 (RFC 7628): what is a token, what is told of one that lets nobody in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.sasl import Bearer, BearerExchange, Fault
from mailproto.sasl.bearer import MESSAGE_OCTETS, OAUTHBEARER, XOAUTH2

from tests.support.bearer import REFUSAL, RESPONSES, TOKEN, why_not


def answer(mechanism: bytes, message: str | bytes) -> Bearer | Fault:
    octets = message.encode() if isinstance(message, str) else message
    return BearerExchange(mechanism).answer(base64.b64encode(octets) or b"=")


@pytest.mark.parametrize("mechanism", RESPONSES)
def test_a_token(mechanism: bytes) -> None:
    line = RESPONSES[mechanism]("alice@example.test")
    assert BearerExchange(mechanism).answer(line) == Bearer("alice@example.test", TOKEN)
    assert TOKEN not in repr(BearerExchange(mechanism).answer(line))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("n,,\x01auth=Bearer a.b\x01\x01", Bearer("", "a.b")),
        ("y,,\x01auth=bearer   a.b\x01\x01", Bearer("", "a.b")),
        ("n,a=a=2Cb=3Dc,\x01auth=Bearer t==\x01\x01", Bearer("a,b=c", "t==")),
        (
            "n,a=büro@example.test,\x01AUTH=Bearer t\x01other=any thing\r\n\x01\x01",
            Bearer("büro@example.test", "t"),
        ),
    ],
)
def test_messages_of_oauthbearer(message: str, found: Bearer) -> None:
    assert answer(OAUTHBEARER, message) == found


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\x01",
        "n,,\x01\x01",
        "n,,\x01host=x\x01\x01",
        "n,,\x01auth=Bearer \x01\x01",
        "n,,\x01auth=Basic abc\x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        "n,,\x01auth=Bearer a\x01",
        "n,,auth=Bearer a\x01\x01",
        "p=tls-exporter,,\x01auth=Bearer a\x01\x01",
        "n,alice,\x01auth=Bearer a\x01\x01",
        "n,a=,\x01auth=Bearer a\x01\x01",
        "n,a=b=2Ac,\x01auth=Bearer a\x01\x01",
        "n,,\x01auth=Bearer a\x01x1=y\x01\x01",
        "n,,\x01auth=Bearer a\0\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
        "n,,\x01auth=Bearer " + "a" * MESSAGE_OCTETS + "\x01\x01",
    ],
)
def test_what_is_no_message_of_oauthbearer(message: str | bytes) -> None:
    assert answer(OAUTHBEARER, message) is Fault.NO_BEARER


@pytest.mark.parametrize(
    "message",
    [
        "",
        "user=a",
        "user=a\x01auth=Bearer t",
        "user=a\x01auth=Bearer t\x01\x01x",
        "auth=Bearer t\x01user=a\x01\x01",
    ],
)
def test_what_is_no_message_of_xoauth2(message: str) -> None:
    assert answer(XOAUTH2, message) is Fault.NO_BEARER


@given(st.binary(max_size=200), st.sampled_from(sorted(RESPONSES)))
def test_any_octets_have_an_answer(octets: bytes, mechanism: bytes) -> None:
    assert isinstance(BearerExchange(mechanism).answer(octets), Bearer | Fault)
    assert isinstance(answer(mechanism, octets), Bearer | Fault)


@pytest.mark.parametrize("last", [b"AQ==", b"=", b"", b"*", b"nonsense!"])
@pytest.mark.parametrize("mechanism", RESPONSES)
def test_why_a_token_lets_nobody_in(mechanism: bytes, last: bytes) -> None:
    exchange = BearerExchange(mechanism)
    exchange.answer(RESPONSES[mechanism]("alice"))
    told = why_not(exchange.refused(REFUSAL).line)
    if mechanism == OAUTHBEARER:
        assert told == {
            "status": "invalid_token",
            "scope": "mail",
            "openid-configuration": REFUSAL.openid_configuration,
        }
    else:
        assert told == {"status": "401", "schemes": "bearer", "scope": "mail"}
    assert exchange.answer(last) is Fault.REFUSED


def test_who_cancels_before() -> None:
    assert BearerExchange(OAUTHBEARER).answer(b"*") is Fault.CANCELLED
    assert BearerExchange(OAUTHBEARER).answer(b"n,,") is Fault.NO_BASE64
