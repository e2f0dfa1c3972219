"""HTML as text: what a reader would see, roughly. For previews and searches, never to be shown as HTML again. Linear in time."""

import html
import re

UNSEEN_ELEMENTS = ("style", "script", "title", "head")
TAG = re.compile(r"<[^<>]*+>")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


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
