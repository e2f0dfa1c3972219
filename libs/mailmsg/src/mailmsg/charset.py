"""Which of Python's codecs is meant by the name of a charset, as messages give it.

Python looks for a codec that it does not know in the file system, and remembers every name that it was ever asked for,
found or not: names that strangers choose would make it slow and never end growing. So it is asked for what it has only,
in one spelling.
"""

from __future__ import annotations

import codecs
import re
from encodings.aliases import aliases

# Of those that Python has, without an alias.
_OTHERS = {
    "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "mac_arabic", "mac_croatian", "mac_farsi",
    "mac_romanian", "palmos", "utf_8_sig",
}  # fmt: skip
# No charset of a mail, or more than linear in time.
_NO_CHARSET = {
    "base64_codec", "bz2_codec", "hex_codec", "idna", "mbcs", "oem", "punycode", "quopri_codec", "raw_unicode_escape",
    "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec",
}  # fmt: skip
_CODECS = {**aliases, **{name: name for name in (*aliases.values(), *_OTHERS)}}
_LONGEST_NAME = 60
_MARKS = re.compile(r"[^a-z0-9]+")


def codec_of(charset: str) -> str | None:
    """The name of the codec, or None where there is none for this charset."""
    if len(charset) > _LONGEST_NAME:
        return None
    name = _CODECS.get(_MARKS.sub("_", charset.strip().lower()))
    if name is None or name in _NO_CHARSET:
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:  # Another system's.
        return None
