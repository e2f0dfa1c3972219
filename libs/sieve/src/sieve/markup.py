"""The text of an HTML part, as well as it can be had in one pass (RFC 5173 §5.3): tags, scripts and styles go out."""

from __future__ import annotations

import html

_SILENT = ("script", "style")


def text_of_html(markup: str) -> str:
    """What a reader would see. Linear in the size; a tag that is never closed swallows the rest."""
    lowered = markup.lower()
    if len(lowered) != len(markup):  # A few characters grow when they are lowered.
        lowered = markup
    pieces: list[str] = []
    position = 0
    while True:
        opening = markup.find("<", position)
        if opening < 0:
            pieces.append(markup[position:])
            break
        pieces.append(markup[position:opening])
        if markup.startswith("<!--", opening):
            close = markup.find("-->", opening + 4)
            position = close + 3
        else:
            close = markup.find(">", opening + 1)
            position = close + 1
            silent = next((name for name in _SILENT if lowered.startswith(name, opening + 1)), None)
            if silent is not None and close >= 0:
                close = lowered.find(f"</{silent}", position)
                position = close
        if close < 0:
            break
        pieces.append(" ")
    return html.unescape("".join(pieces))
