"""Reading Authentication-Results fields, for those who trust whoever wrote them (RFC 8601 §2.2). Linear, bounded.

Only fields of a server one trusts are worth reading; see `senderauth.authres.strip` for the others.
"""

import re
from collections.abc import Iterator

from senderauth.authres.model import AuthResults, MethodResult

MAX_FIELD_OCTETS = 32 * 1024
MAX_RESULTS = 64

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_MARK = re.compile(r'[()"]|\\.', re.DOTALL)
_TOKEN = re.compile(
    r'(?P<space>[ \t\r\n]+)|"(?P<quoted>(?:[^"\\]++|\\.)*+)"?|(?P<mark>[;=])|(?P<word>[^ \t\r\n;="]+)',
    re.DOTALL,
)


def without_comments(text: str) -> str:
    """The text with a space for each comment; a comment that never ends goes to the end."""
    kept = []
    start = depth = 0
    in_quotes = False
    for mark in _MARK.finditer(text):
        sign = mark[0]
        if sign == '"' and depth == 0:
            in_quotes = not in_quotes
        elif in_quotes or sign[0] == "\\":
            continue
        elif sign == "(":
            if depth == 0:
                kept.append(text[start : mark.start()])
            depth += 1
        elif sign == ")" and depth:
            depth -= 1
            if depth == 0:
                kept.append(" ")
                start = mark.end()
    if depth == 0:
        kept.append(text[start:])
    return "".join(kept)


def parse(value: bytes) -> AuthResults | None:
    """A field's value; None where it has no authserv-id. What cannot be read in it is left out."""
    text = without_comments(value[:MAX_FIELD_OCTETS].decode("utf-8", "replace"))
    segments = _segments(text)
    head = next(segments, [])
    if not head or head[0][1] is not None:
        return None
    results: list[MethodResult] = []
    for segment in segments:
        result = _result(segment)
        if result is not None and len(results) < MAX_RESULTS:
            results.append(result)
    return AuthResults(head[0][0], tuple(results))


def _segments(text: str) -> Iterator[list[tuple[str, str | None]]]:
    """The parts between semicolons, each a list of (word, None) or (name, value)."""
    entries: list[tuple[str, str | None]] = []
    word = ""
    value: str | None = None  # Not None from "=" on.
    started = False  # Something of the value was seen.
    for token in _TOKEN.finditer(text):
        if token["space"] is not None:
            if value is None and word:
                # "name =" may follow; an ended word waits as an entry until then.
                entries.append((word, None))
                word = ""
            elif value is not None and started:
                entries.append((word, value))
                word, value, started = "", None, False
        elif token["mark"] == ";":
            if word or value is not None:
                entries.append((word, value))
            yield entries
            entries, word, value, started = [], "", None, False
        elif token["mark"] == "=" and value is None:
            if not word and entries and entries[-1][1] is None:
                word = entries.pop()[0]
            # Around "/" and "." white space may stand.
            while (
                entries and entries[-1][1] is None and (word[:1] in ("/", ".") or entries[-1][0][-1] in "/.")
            ):
                word = entries.pop()[0] + word
            value, started = "", False
        else:
            piece = token[0] if token["quoted"] is None else _QUOTED_PAIR.sub(r"\1", token["quoted"])
            if value is None:
                word += piece
            else:
                value += piece
                started = True
    if word or value is not None:
        entries.append((word, value))
    yield entries


def _result(segment: list[tuple[str, str | None]]) -> MethodResult | None:
    if not segment or not segment[0][1]:
        return None  # "none", or nothing that can be read
    method, result = segment[0]
    reason = ""
    properties = []
    for name, value in segment[1:]:
        if value is None:
            continue
        if name.lower() == "reason":
            reason = value
        elif "." in name:
            properties.append((name.lower(), value))
    return MethodResult(
        method.partition("/")[0].lower(), result.lower() if result else "", tuple(properties), reason
    )
