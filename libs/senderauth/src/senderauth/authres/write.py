"""Writing Authentication-Results fields (RFC 8601 §2.2).

Values come from strangers: what does not fit the grammar is quoted, what could end a line is taken out, what is long is
cut. So whatever goes in, one well-formed field comes out.
"""

import re
from collections.abc import Iterable

from senderauth.authres.model import MethodResult

MAX_VALUE = 320
MAX_RESULTS = 24
"""Results in one field; the rest is left out."""

_LINE_OCTETS = 76
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_PROPERTY = re.compile(r"[A-Za-z0-9-]{1,40}\.[A-Za-z0-9-]{1,40}")
# token (RFC 2045 §5.1), or an address with a local part that is a dot-atom.
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")
_ADDRESS = re.compile(r"(?:[!#-'*+\-/0-9=?A-Z^-~]+(?:\.[!#-'*+\-/0-9=?A-Z^-~]+)*)?@[A-Za-z0-9._-]+")


def field(authserv_id: str, results: Iterable[MethodResult]) -> bytes:
    """The whole field, folded, ending in CRLF."""
    return b"Authentication-Results: " + payload(authserv_id, results) + b"\r\n"


def payload(authserv_id: str, results: Iterable[MethodResult]) -> bytes:
    """What follows the colon, folded, without the last line end; ARC carries it too (RFC 8617 §4.1.1)."""
    lines = [quoted(authserv_id)]
    for result in list(results)[:MAX_RESULTS]:
        lines[-1] += ";"
        lines += _result_lines(result)
    if len(lines) == 1:
        lines[-1] += "; none"
    return "\r\n".join(lines).encode("utf-8")


def _result_lines(result: MethodResult) -> list[str]:
    pieces = [f"{_keyword(result.method)}={_keyword(result.result)}"]
    if result.reason:
        pieces.append("reason=" + quoted(result.reason))
    pieces += [f"{name}={quoted(value)}" for name, value in result.properties if _PROPERTY.fullmatch(name)]
    lines = ["\t" + pieces[0]]
    for piece in pieces[1:]:
        if len(lines[-1]) + 1 + len(piece) > _LINE_OCTETS:
            lines.append("\t " + piece)
        else:
            lines[-1] += " " + piece
    return lines


def _keyword(text: str) -> str:
    return text if _KEYWORD.fullmatch(text) else "unknown"


def quoted(text: str) -> str:
    """A value: as it is where the grammar allows, else in quotes."""
    if len(text) <= MAX_VALUE and (_TOKEN.fullmatch(text) or _ADDRESS.fullmatch(text)):
        return text
    kept = "".join([letter if letter.isprintable() else "?" for letter in text[:MAX_VALUE]])
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'
