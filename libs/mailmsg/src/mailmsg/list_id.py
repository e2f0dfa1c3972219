"""Which mailing list sent a message (RFC 2919): what stands in the angle brackets of its List-Id field."""

from __future__ import annotations

import re

MAX_OCTETS = 255
"""RFC 2919 §2: no identifier is longer."""

_WHITE = b" \t\r\n"
_CONTROL = re.compile(rb"[\0-\x1f\x7f]")


def list_id(value: bytes | None) -> bytes:
    """Of a field's value, in lower case (§6: equal whatever the case) and without white space (§3: ignored).

    Empty where there is no field or no identifier in it. The brackets that count are the last ones: a phrase before them
    may be quoted and hold others.
    """
    if value is None:
        return b""
    end = value.rfind(b">")
    start = value.rfind(b"<", 0, max(end, 0))
    if start < 0:
        return b""
    identifier = value[start + 1 : end].translate(None, _WHITE).lower()
    return b"" if len(identifier) > MAX_OCTETS or _CONTROL.search(identifier) else identifier
