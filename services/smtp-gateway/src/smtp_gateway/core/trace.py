"""The Received field that we add (RFC 5321 §4.4) and the loop that it lets us see (§6.3)."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache

from mailmsg.date import format_date
from mailproto.smtp.reply import Charset

# What a peer said of itself is shown only as far as it cannot be taken for something else.
UNSAFE = re.compile(r"[^A-Za-z0-9.\-_:\[\]]")


class Submitter(Enum):
    """Whether the field says where a message was submitted from."""

    SHOWN = "shown"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came. `sole_recipient` is None where there are several: none is shown to another."""

    helo: str
    is_extended: bool
    client_address: str
    client_name: str
    hostname: str
    tls_version: str | None
    tls_cipher: str | None
    is_authenticated: bool
    charset: Charset
    queue_id: str
    sole_recipient: str | None
    at: datetime
    submitter: Submitter = Submitter.SHOWN
    is_local: bool = False


def protocol(arrival: Arrival) -> str:
    """The `with` word (RFC 3848, RFC 6531 §4.3)."""
    if not arrival.is_extended:
        return "SMTP"
    if arrival.is_local:
        first = "UTF8LMTP" if arrival.charset is Charset.UTF_8 else "LMTP"
    else:
        first = "UTF8SMTP" if arrival.charset is Charset.UTF_8 else "ESMTP"
    return first + ("S" if arrival.tls_version else "") + ("A" if arrival.is_authenticated else "")


def received_field(arrival: Arrival) -> bytes:
    """One field, folded, ended by CRLF."""
    if arrival.submitter is Submitter.HIDDEN:
        # It came from us, as far as anybody is told.
        first = f"from {arrival.hostname} (submitted by a user)\r\n".encode("ascii")
    else:
        first = _from(
            arrival.helo,
            arrival.client_address,
            arrival.client_name,
            arrival.tls_version,
            arrival.tls_cipher,
        )
    return b"Received: " + first + _by(arrival)


# The same for all messages of a session.
@lru_cache(maxsize=256)
def _from(helo: str, address: str, name: str, tls_version: str | None, tls_cipher: str | None) -> bytes:
    """From-domain (RFC 5321 §4.4)."""
    literal = f"IPv6:{address}" if ":" in address else address
    # TCP-info = address-literal / ( Domain FWS address-literal ) (RFC 5321 §4.4)
    shown = f"{UNSAFE.sub('?', name)} " if name else ""
    lines = [f"from {UNSAFE.sub('?', helo) or 'unknown'} ({shown}[{UNSAFE.sub('?', literal)}])"]
    if tls_version:
        lines.append(
            f"\t(using {UNSAFE.sub('?', tls_version)} with cipher {UNSAFE.sub('?', tls_cipher or '-')})"
        )
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _by(arrival: Arrival) -> bytes:
    lines = [f"\tby {arrival.hostname} with {protocol(arrival)} id {arrival.queue_id}"]
    recipient = arrival.sole_recipient
    if recipient is not None and recipient.isascii() and recipient.isprintable():
        lines.append(f"\tfor <{recipient}>")
    return ("\r\n".join(lines) + ";\r\n\t").encode("ascii") + format_date(arrival.at) + b"\r\n"


def count_hops(header: bytes) -> int:
    """How many Received fields a header has; it is in lower case."""
    return header.count(b"\nreceived:") + header.startswith(b"received:")
