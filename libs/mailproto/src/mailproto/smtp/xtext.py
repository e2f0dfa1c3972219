"""xtext (RFC 3461 §4): any octet in characters that an ESMTP value may have. What it hides is judged, too."""

import re

XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
HEXCHAR = re.compile(r"\+([0-9A-F]{2})")


def decode(text: str) -> str | None:
    """What stands behind it, one character for each octet; None for what is no xtext (an empty one is none)."""
    if not XTEXT.fullmatch(text):
        return None
    return HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)


def encode(text: str) -> str:
    """The xtext of characters below U+0100."""
    return "".join(
        character if "!" <= character <= "~" and character not in "+=" else f"+{ord(character):02X}"
        for character in text
    )


def is_printable(text: str) -> bool:
    """Graphic characters and spaces of ASCII: what may stand in a notice (RFC 3461 §4.2, §4.4)."""
    return all(" " <= character <= "~" for character in text)
