"""Replies of a server, read without I/O and bounded (RFC 5321 §4.2, §4.5.3.1.5)."""

import re

from mailproto.smtp.reply import Reply

LINE_OCTETS = 2048
LINES = 128
LINE = re.compile(rb"([2-5][0-9]{2})([ -]?)(.*)", re.DOTALL)
# Printable ASCII, and "?" for everything else.
SHOWN = bytes(octet if 32 <= octet < 127 else ord("?") for octet in range(256))
# RFC 3463 §2: class "." subject "." detail
ENHANCED = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class ReplyInvalid(Exception):
    """The server said something that is no reply."""


class ReplyReader:
    """Feed octets, take replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Take octets from the server."""
        self._buffer += data

    @property
    def has_unread(self) -> bool:
        """Whether octets are left that no reply was made of."""
        return bool(self._buffer or self._lines)

    def next_reply(self) -> Reply | None:
        """The next whole reply, or None. Raises ReplyInvalid."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            match = LINE.fullmatch(line)
            if match is None or len(line) > LINE_OCTETS:
                raise ReplyInvalid("a line that is no reply")
            code, mark, text = match.groups()
            if self._lines and self._lines[0][0] != code:
                raise ReplyInvalid("a reply whose lines have different codes")
            self._lines.append((code, text))
            if len(self._lines) > LINES:
                raise ReplyInvalid("a reply with too many lines")
            if mark != b"-":
                return self._finish()
        if len(self._buffer) > LINE_OCTETS:
            raise ReplyInvalid("a line without an end")
        return None

    def _finish(self) -> Reply:
        code = int(self._lines[0][0])
        texts = [text for _, text in self._lines]
        self._lines.clear()
        match = ENHANCED.match(texts[0])
        enhanced = match[1] if match is not None and match[1][:1] == b"%d" % (code // 100) else b""
        if enhanced:
            texts = [text.removeprefix(enhanced).lstrip(b" ") for text in texts]
        # What a peer said is shown in logs and notices: printable ASCII only.
        shown = tuple(text.translate(SHOWN).decode() for text in texts)
        return Reply(code, enhanced.decode(), shown)
