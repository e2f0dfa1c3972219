"""Tag lists: `a=x; b=y;` as in DKIM-Signature fields, key records and ARC fields (RFC 6376 §3.2).

Names are case-sensitive, a name may stand only once, white space around names and values is nothing. An empty entry
between two semicolons is passed over.
"""

import base64
import binascii
import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SPACE = re.compile(r"[ \t\r\n]+")
_SPACES = " \t\r\n"

# The value of the tag b, white space and all: what is left out while it is being signed (§3.7).
_SIGNATURE_VALUE = re.compile(rb"((?:\A|;)[ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")


class Malformed(Exception):
    """The text does not follow its grammar. The message says how."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags in order. Raises Malformed."""
    tags: dict[str, str] = {}
    for entry in text.split(";"):
        name, equals, value = entry.partition("=")
        name = name.strip(_SPACES)
        if not equals:
            if name:
                raise Malformed(f"no tag: {name[:40]!a}")
            continue
        if _NAME.fullmatch(name) is None:
            raise Malformed(f"no name of a tag: {name[:40]!a}")
        if name in tags:
            raise Malformed(f"{name}= stands twice")
        tags[name] = value.strip(_SPACES)
    return tags


def without_signature(value: bytes) -> bytes:
    """A field's value with its b= empty."""
    return _SIGNATURE_VALUE.sub(rb"\1", value, count=1)


def required(tags: dict[str, str], name: str) -> str:
    """The tag's value. Raises Malformed where it is missing or empty."""
    value = tags.get(name)
    if not value:
        raise Malformed(f"{name}= is missing")
    return value


def decode_base64(text: str) -> bytes:
    """Octets from base64 that may be folded and may lack its padding. Raises Malformed."""
    packed = _SPACE.sub("", text)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("no base64") from None


def colon_list(text: str) -> list[str]:
    """The entries of a list with colons, without white space around them."""
    return [entry.strip(_SPACES) for entry in text.split(":")]


def whole_number(text: str) -> int:
    """A number of at most 12 digits, an instant for one. Raises Malformed."""
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise Malformed(f"no number: {text[:20]!a}")
    return int(text)
