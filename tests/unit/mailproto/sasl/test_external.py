"""EXTERNAL (RFC 4422 App. A)."""

import binascii

import pytest
from mailproto.sasl import Challenge, External, ExternalExchange, Fault


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b"=", External("")),
        (b"", External("")),
        (b"YWxpY2VAZXhhbXBsZS50ZXN0", External("alice@example.test")),
        (b"*", Fault.CANCELLED),
        (b"not base64!", Fault.NO_BASE64),
        (binascii.b2a_base64(b"a\0b", newline=False), Fault.NO_NAME),
        (binascii.b2a_base64(b"\xff", newline=False), Fault.NO_NAME),
        (binascii.b2a_base64(b"a" * 1025, newline=False), Fault.NO_NAME),
    ],
)
def test_it_names_whom_the_client_wants_to_be(line: bytes, outcome: External | Fault) -> None:
    assert ExternalExchange().answer(line) == outcome


def test_the_first_challenge_is_empty() -> None:
    assert ExternalExchange().first_challenge() == Challenge(b"")
