"""PREVIEW (RFC 8970): the first words of a message, from its first text, without markup, quotations and white space."""

import html
import re

from mailmsg.parts import Part
from mailstore import BodyCorrupt, StoredMessage

from imap.core.session import Session
from imap.core.texts import read_text, text_parts

# RFC 8970 §3.3: 200 characters should do, 256 must not be exceeded.
CHARACTERS = 200
READ_OCTETS = 16 * 1024
UNSEEN_ELEMENTS = ("style", "script", "title", "head")
TAG = re.compile(r"<[^<>]*+>")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


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


def from_html(text: str) -> str:
    """What a reader would see, roughly."""
    text = COMMENT.sub(" ", text)
    for name in UNSEEN_ELEMENTS:
        text = _without(text, name)
    return html.unescape(TAG.sub(" ", text))


def _without(text: str, name: str) -> str:
    """Without the elements of this name; one that does not end reaches to the end."""
    lower = text.lower()
    if len(lower) != len(text):
        # A character grew in lower case: places would not be the same.
        text = lower
    kept = []
    position = 0
    while (start := lower.find(f"<{name}", position)) >= 0:
        after = lower[start + len(name) + 1 : start + len(name) + 2]
        if after not in (">", " ", "\t", "\r", "\n", "/"):
            kept.append(text[position : start + 1])
            position = start + 1
            continue
        kept.append(text[position:start])
        end = lower.find(f"</{name}", start)
        position = len(text) if end < 0 else end
    kept.append(text[position:])
    return " ".join(kept) if len(kept) > 1 else text


def shorten(text: str) -> str:
    """One line, no control characters, at most CHARACTERS of them; cut at a word's end where one is near."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    if len(line) <= CHARACTERS:
        return line
    cut = line.rfind(" ", CHARACTERS - 30, CHARACTERS)
    return line[: cut if cut > 0 else CHARACTERS].rstrip()
