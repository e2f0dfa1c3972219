"""The mechanism INTERNAL (RFC 4467 §2.4.1): what a URL is signed with, and whether it was.

A token is an octet that names how it was made, and then that: 1 is HMAC-SHA-256 of the rump with the key of the user and
the mailbox. Should another way be wanted one day, tokens of this one stay what they are.
"""

import hmac

INTERNAL = "INTERNAL"
HMAC_SHA_256 = 1


def signed(rump: str, key: bytes) -> str:
    """The whole URL."""
    return f"{rump}:internal:{_token(rump, key).hex()}"


def is_signed(rump: str, token: bytes, key: bytes) -> bool:
    """Takes as long for a wrong token as for a right one."""
    return hmac.compare_digest(token, _token(rump, key))


def _token(rump: str, key: bytes) -> bytes:
    return bytes([HMAC_SHA_256]) + hmac.digest(key, rump.encode("ascii"), "sha256")
