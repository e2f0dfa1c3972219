"""A message as it goes out after 354 (RFC 5321 §4.5.2): periods doubled, ended by CRLF.CRLF.

No CR or LF leaves us that is not part of a CRLF: a next system might take one for
the end of a line.
"""


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
