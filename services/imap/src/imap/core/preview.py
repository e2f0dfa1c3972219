"""PREVIEW (RFC 8970): the first words of a message, from its first text, without markup, quotations and white space."""

from mailmsg.parts import Part
from mailstore import BodyCorrupt, StoredMessage

from imap.core.markup import from_html
from imap.core.session import Session
from imap.core.texts import read_text, text_parts

# RFC 8970 §3.3: 200 characters should do, 256 must not be exceeded.
CHARACTERS = 200
READ_OCTETS = 16 * 1024


async def preview(session: Session, message: StoredMessage) -> str:
    """The text of the preview; "" where the message has no text."""
    chosen: Part | None = None
    for part in text_parts(message):
        if part.media_type == "text/plain":
            chosen = part
            break
        if part.media_type == "text/html" and chosen is None:
            chosen = part
    if chosen is None:
        return ""
    try:
        text = await read_text(session, message, chosen, READ_OCTETS)
    except BodyCorrupt:
        return ""
    return shorten(from_html(text) if chosen.media_type == "text/html" else from_plain(text))


def from_plain(text: str) -> str:
    """Without what is quoted, unless all is."""
    lines = text.splitlines()
    own = [line for line in lines if not line.startswith(">")]
    return "\n".join(own if any(line.strip() for line in own) else [line.lstrip("> ") for line in lines])


def shorten(text: str) -> str:
    """One line, no control characters, at most CHARACTERS of them; cut at a word's end where one is near."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    if len(line) <= CHARACTERS:
        return line
    cut = line.rfind(" ", CHARACTERS - 30, CHARACTERS)
    return line[: cut if cut > 0 else CHARACTERS].rstrip()
