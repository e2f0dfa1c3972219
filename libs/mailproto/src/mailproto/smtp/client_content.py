"""A message as it goes out: after 354 (RFC 5321 §4.5.2) with periods doubled and ended by CRLF.CRLF, or as one chunk.

After 354 no CR or LF leaves us that is not part of a CRLF: a next system might take one for
the end of a line. A chunk (RFC 3030) has its length said before, and goes as it is.
"""

from typing import assert_never

from mailproto.smtp.body import Transfer


class BareLineBreak(ValueError):
    """The message holds a CR or LF that is not part of a CRLF."""


def encode_content(message: bytes) -> bytes:
    """Raises BareLineBreak."""
    breaks = message.count(b"\r\n")
    if message.count(b"\n") != breaks or message.count(b"\r") != breaks:
        raise BareLineBreak("a CR or LF that is not part of a CRLF")
    if b"\r\n." in message:
        message = message.replace(b"\r\n.", b"\r\n..")
    if message.startswith(b"."):
        message = b"." + message
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    return message + b".\r\n"


def encode(message: bytes, transfer: Transfer) -> bytes:
    """What is to be sent. Raises BareLineBreak."""
    match transfer:
        case Transfer.DATA:
            return encode_content(message)
        case Transfer.BDAT:
            return b"BDAT %d LAST\r\n" % len(message) + message
        case _:
            assert_never(transfer)
