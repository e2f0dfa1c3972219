"""Who we are at a host that wants to know: AUTH from the client's side (RFC 4954), with PLAIN (RFC 4616) or the older LOGIN."""

from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password."""

    username: str
    password: str = field(repr=False)


def exchange(login: Login, mechanisms: str) -> deque[bytes] | None:
    """What is said, line by line, with a mechanism that is offered; None where there is none that we know."""
    offered = mechanisms.upper().split()
    username, password = login.username.encode(), login.password.encode()
    if "PLAIN" in offered:
        return deque([b"AUTH PLAIN " + b64encode(b"\0" + username + b"\0" + password) + b"\r\n"])
    if "LOGIN" in offered:
        return deque([b"AUTH LOGIN\r\n", b64encode(username) + b"\r\n", b64encode(password) + b"\r\n"])
    return None
