"""A client of OAUTHBEARER and XOAUTH2, and a directory's answer to its token."""

import base64
import json

from mailproto.sasl import TokenRefusal

TOKEN = "right.token-of/alice"
REFUSAL = TokenRefusal(
    scope="mail", openid_configuration="https://id.example.test/.well-known/openid-configuration"
)


def oauthbearer(login: str, token: str = TOKEN) -> bytes:
    """The initial response, with what RFC 7628 §4.1 has in its example."""
    who = f"a={login}" if login else ""
    message = f"n,{who},\x01host=server.example.com\x01port=143\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(message.encode())


def xoauth2(login: str, token: str = TOKEN) -> bytes:
    """The initial response."""
    return base64.b64encode(f"user={login}\x01auth=Bearer {token}\x01\x01".encode())


RESPONSES = {b"OAUTHBEARER": oauthbearer, b"XOAUTH2": xoauth2}


def why_not(line: bytes) -> dict[str, str]:
    """The error in a challenge's base64."""
    found = json.loads(base64.b64decode(line, validate=True))
    assert isinstance(found, dict)
    return found
