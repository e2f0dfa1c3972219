"""The mail that carries a report, and a report in a mail.

TLS: multipart/report with application/tlsrpt+gzip, and a wish to arrive even where TLS is what is broken (RFC 8460 §3,
§5.3; RFC 8689 §5). DMARC: the compressed XML as an attachment (RFC 7489 §7.2.1.1).
"""

import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from textwrap import wrap

from mailmsg.compose import encode_text, field
from mailmsg.date import format_date
from mailmsg.tree import Entity, TooComplex, scan
from senderauth.reports.envelope import MAX_PACKED_OCTETS

ENTITIES_MOST = 50
# Of what may hold a report; the rest of a mail is words.
TYPES = {
    b"application/tlsrpt+gzip",
    b"application/tlsrpt+json",
    b"application/gzip",
    b"application/x-gzip",
    b"application/zip",
    b"application/x-zip-compressed",
    b"application/json",
    b"application/xml",
    b"text/xml",
    b"application/octet-stream",
}


class Kind(Enum):
    """What is reported."""

    TLS = "tls"
    DMARC = "dmarc"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A report that is ready to go."""

    kind: Kind
    domain: str
    report_id: str
    begin_at: datetime
    end_at: datetime
    packed: bytes


def build(parcel: Parcel, *, sender: str, submitter: str, recipient: str, sent_at: datetime) -> bytes:
    """The message. `submitter` is our name; `sender` an address spec."""
    digest = hashlib.sha256(parcel.packed + recipient.encode()).hexdigest()
    boundary = f"report-{digest[:24]}"
    begin, end = int(parcel.begin_at.timestamp()), int(parcel.end_at.timestamp())
    subject = f"Report Domain: {parcel.domain} Submitter: {submitter} Report-ID: <{parcel.report_id}>"
    lines = [
        field(b"From", sender.encode()),
        field(b"To", recipient.encode()),
        field(b"Subject", subject.encode()),
        field(b"Date", format_date(sent_at)),
        field(b"Message-ID", f"<{digest[:32]}@{submitter}>".encode()),
        b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
    ]
    if parcel.kind is Kind.TLS:
        lines.append(field(b"TLS-Report-Domain", parcel.domain.encode()))
        lines.append(field(b"TLS-Report-Submitter", submitter.encode()))
        lines.append(b"TLS-Required: No\r\n")
        lines.append(
            b'Content-Type: multipart/report; report-type="tlsrpt"; boundary="%b"\r\n' % boundary.encode()
        )
        media_type, suffix = b"application/tlsrpt+gzip", "json.gz"
        name = f"{submitter}!{parcel.domain}!{begin}!{end}!{digest[:8]}.{suffix}"
    else:
        lines.append(b'Content-Type: multipart/mixed; boundary="%b"\r\n' % boundary.encode())
        media_type, suffix = b"application/gzip", "xml.gz"
        name = f"{submitter}!{parcel.domain}!{begin}!{end}.{suffix}"
    what = "TLS" if parcel.kind is Kind.TLS else "DMARC aggregate"
    encoding, words = encode_text(
        f"This is a {what} report for {parcel.domain}, from {parcel.begin_at:%Y-%m-%d %H:%M} to "
        f"{parcel.end_at:%Y-%m-%d %H:%M} UTC, sent by {submitter}.\r\n"
    )
    encoded = binascii.b2a_base64(parcel.packed, newline=False).decode("ascii")
    mark = b"--" + boundary.encode()
    lines += [
        b"\r\n" + mark + b"\r\nContent-Type: text/plain; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + words,
        b"\r\n" + mark + b"\r\nContent-Type: " + media_type + b"\r\nContent-Transfer-Encoding: base64\r\n",
        field(b"Content-Disposition", f'attachment; filename="{name}"'.encode()),
        b"\r\n" + "\r\n".join(wrap(encoded, 76)).encode("ascii") + b"\r\n",
        mark + b"--\r\n",
    ]
    return b"".join(lines)


def attachments(message: bytes) -> Iterator[bytes]:
    """What may be a report in a mail, decoded; nothing of a message that is too complex."""
    try:
        waiting = [scan(message)]
    except TooComplex:
        return
    for _ in range(ENTITIES_MOST):
        if not waiting:
            return
        entity = waiting.pop(0)
        if entity.children:
            waiting += entity.children
            continue
        kind = entity.content_type
        if kind.maintype + b"/" + kind.subtype not in TYPES:
            continue
        body = _decoded(message, entity)
        if body:
            yield body


def _decoded(message: bytes, entity: Entity) -> bytes:
    body = message[entity.body_offset : entity.body_end]
    if len(body) > MAX_PACKED_OCTETS * 2:
        return b""
    try:
        if entity.encoding == b"base64":
            return binascii.a2b_base64(body)
        if entity.encoding == b"quoted-printable":
            return binascii.a2b_qp(body)
    except binascii.Error:
        return b""
    return body
