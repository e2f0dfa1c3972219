"""XCLIENT: a proxy or filter that we trust says whom it speaks for (Postfix's XCLIENT_README).

Only what is used is offered: NAME, ADDR and PORT. Values are xtext; what they hide is judged like everything else.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mailproto.smtp import xtext

OFFERED = "XCLIENT NAME ADDR PORT"
UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?")


class XclientInvalid(ValueError):
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class ClientTold:
    """What was said; None for what was not. `name` is "" where the proxy does not know it."""

    address: str | None = None
    port: int | None = None
    name: str | None = None


def parse_xclient(argument: str) -> ClientTold:
    """`attribute=value ...`, one of each. Raises XclientInvalid."""
    address: str | None = None
    port: int | None = None
    name: str | None = None
    seen = set()
    for word in argument.split():
        key, _, value = word.partition("=")
        key = key.upper()
        if key in seen:
            raise XclientInvalid(f"{key} is given twice")
        seen.add(key)
        decoded = xtext.decode(value)
        if decoded is None or not xtext.is_printable(decoded):
            raise XclientInvalid("values are xtext")
        if key == "ADDR":
            address = _address(decoded)
        elif key == "PORT":
            port = _port(decoded)
        elif key == "NAME":
            name = _name(decoded)
        else:
            raise XclientInvalid("attributes are NAME, ADDR and PORT")
    if not seen:
        raise XclientInvalid("attributes are NAME, ADDR and PORT")
    return ClientTold(address, port, name)


def _address(text: str) -> str:
    try:
        if text.upper().startswith("IPV6:"):
            return str(IPv6Address(text[5:]))
        return str(IPv4Address(text))
    except ValueError as error:
        raise XclientInvalid("ADDR is an IPv4 address, or IPV6: and an IPv6 address") from error


def _port(text: str) -> int:
    if text.upper() in UNKNOWN:
        return 0
    if not (text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise XclientInvalid("PORT is a number up to 65535")
    return int(text)


def _name(text: str) -> str:
    if text.upper() in UNKNOWN:
        return ""
    if not NAME.fullmatch(text):
        raise XclientInvalid("NAME is a host name")
    return text
