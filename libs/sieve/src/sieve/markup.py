"""The text of an HTML part, as well as it can be had in one pass (RFC 5173 §5.3): tags, scripts and styles go out,
white space becomes one blank, as a browser has it."""

from __future__ import annotations

import html
import re
from io import StringIO

_SILENT = ("script", "style")
_INLINE = frozenset(
    {"a", "abbr", "b", "big", "em", "font", "i", "ins", "mark", "s", "small", "span", "strong", "u", "wbr"}
)
"""Tags that do not part words."""
_TAG_NAME = re.compile(r"/?([a-z]++)")
_WHITE_SPACE = re.compile(r"\s+")
_LEADING_ZEROS = re.compile(r"&#([xX]?)0++(?=[0-9A-Fa-f])")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9A-Fa-f]{7,}+);?")


def text_of_html(markup: str) -> str:
    """What a reader would see. Linear in the size; a tag that is never closed swallows the rest."""
    lowered = markup.lower()
    if len(lowered) != len(markup):  # A few characters grow when they are lowered.
        lowered = markup
    seen = StringIO()
    position = 0
    while True:
        opening = markup.find("<", position)
        if opening < 0:
            seen.write(markup[position:])
            break
        seen.write(markup[position:opening])
        if markup.startswith("<!--", opening):
            close = markup.find("-->", opening + 4)
            position = close + 3
        else:
            found = _TAG_NAME.match(lowered, opening + 1)
            name = "" if found is None else found[1]
            close = markup.find(">", opening + 1)
            position = close + 1
            if name in _SILENT and lowered[opening + 1] != "/" and close >= 0:
                close = lowered.find(f"</{name}", position)
                position = close
            if name not in _INLINE:
                seen.write(" ")
        if close < 0:
            break
    return _WHITE_SPACE.sub(" ", _characters(seen.getvalue()))


def _characters(text: str) -> str:
    """The text with its character references resolved; a number that is far too long stands for no character."""
    if "&#" in text:
        text = _LONG_NUMBER.sub("\ufffd", _LEADING_ZEROS.sub(r"&#\1", text))
    return html.unescape(text)
