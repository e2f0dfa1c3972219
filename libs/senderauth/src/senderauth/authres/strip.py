"""Taking out Authentication-Results fields that claim to be ours (RFC 8601 §5).

At the border nobody but us speaks with our authserv-id. Readers differ in how they take a strange field apart, so
this goes by suspicion: a field whose part before the first semicolon holds our name in any reading, comments and quotes
or not, is taken out whole. A foreign field that merely mentions us there is no loss.
"""

import re
from collections.abc import Collection, Iterator

from senderauth.authres.read import without_comments
from senderauth.names import written_forms

_NAME = b"authentication-results"

# A line and those that continue it; a header block is such fields and a blank line.
_FIELD = re.compile(rb"[^\n]*+\n?(?:[ \t][^\n]*+\n?)*+")
_WORD = re.compile(r"[^\s;,:/=<>@()\"\[\]]+")
_LINE_END = re.compile(r"\r?\n")


def forged_ranges(header: bytes, authserv_ids: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where in a header block such fields lie, from and to, in order. `authserv_ids` are all names of ours."""
    ours = set().union(*map(written_forms, authserv_ids))
    position = 0
    while position < len(header):
        found = _FIELD.match(header, position)
        end = len(header) if found is None or found.end() == position else found.end()
        if _NAME in header[position:end].lower() and _is_forged(header[position:end], ours):
            yield position, end
        position = end


def strip_forged(header: bytes, authserv_ids: Collection[str]) -> bytes:
    """The header block without them; every other octet stays."""
    kept = []
    position = 0
    for start, end in forged_ranges(header, authserv_ids):
        kept.append(header[position:start])
        position = end
    kept.append(header[position:])
    return b"".join(kept)


def _is_forged(field: bytes, ours: set[str]) -> bool:
    # A bare CR ends a line for some readers.
    for line in field.split(b"\r"):
        name, _, value = line.lstrip(b"\n").partition(b":")
        if name.strip(b" \t").lower() == _NAME and _mentions(value, ours):
            return True
    name, _, value = field.partition(b":")
    return name.strip(b" \t").lower() == _NAME and _mentions(value, ours)


def _mentions(value: bytes, ours: set[str]) -> bool:
    """True where somebody could take one of our names for the field's authserv-id."""
    text = value.decode("utf-8", "replace").replace("\0", "").lower()
    readings = {text, without_comments(text), _LINE_END.sub("", text)}
    readings |= {reading.replace("\\", "").replace('"', "") for reading in readings}
    heads = {reading.partition(";")[0] for reading in readings}
    return any(
        any(name in head for name in ours)
        and not ours.isdisjoint(word.removesuffix(".") for word in _WORD.findall(head))
        for head in heads
    )
