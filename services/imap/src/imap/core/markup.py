"""HTML as text: what a reader would see, roughly. For previews and searches, never to be shown as HTML again. Linear in time."""

import html
import re

UNSEEN_ELEMENTS = ("style", "script", "title", "head")
TAG = re.compile(r"<[^<>]*+>")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Longer than any character's; Python takes no decimal number of more than some thousand digits.
LEADING_ZEROS = re.compile(r"&#([xX]?)0++(?=[0-9A-Fa-f])")
LONG_NUMBER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9A-Fa-f]{8,}+);?")


def from_html(text: str) -> str:
    """What a reader would see, roughly."""
    text = COMMENT.sub(" ", text)
    for name in UNSEEN_ELEMENTS:
        text = _without(text, name)
    return characters(TAG.sub(" ", text))


def characters(text: str) -> str:
    """With its character references resolved; a number that is far too long stands for no character."""
    if "&#" in text:
        text = LONG_NUMBER.sub("\ufffd", LEADING_ZEROS.sub(r"&#\1", text))
    return html.unescape(text)


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
