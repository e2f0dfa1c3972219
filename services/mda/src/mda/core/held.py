"""A message that is kept in the quarantine: what is known of it, as one line of JSON before its record."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from spool import Envelope

from mda.core.findings import Finding, Verdict

QUARANTINE = "quarantine/"
# So that the line can be read without the message.
LINE_OCTETS = 64 * 1024
RECIPIENTS_NAMED = 100
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class NoSuchMessage(Exception):
    """Nothing of that name is kept for that tenant."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a list shows. At most RECIPIENTS_NAMED of the recipients; the record has all."""

    tenant_id: str
    queue_id: str
    arrived_at: datetime
    held_at: datetime
    reverse_path: str
    recipients: tuple[str, ...]
    size_octets: int
    findings: tuple[Finding, ...]


def folder_of(tenant_id: str) -> str:
    """Where a tenant's are. Raises NoSuchMessage where that is no tenant's id."""
    try:
        return f"{QUARANTINE}{UUID(tenant_id)}/"
    except ValueError:
        raise NoSuchMessage("a tenant is named by its UUID") from None


def key_of(tenant_id: str, queue_id: str) -> str:
    """The object of one message, made of what it is: one that comes again after a crash is kept once."""
    if _QUEUE_ID.fullmatch(queue_id) is None:
        raise NoSuchMessage(f"no message {queue_id[:100]!r} is kept")
    return folder_of(tenant_id) + queue_id


def line_of(envelope: Envelope, findings: Sequence[Finding], held_at: datetime) -> bytes:
    """Ends with its line feed."""
    known = {
        "arrived_at": envelope.arrived_at.isoformat(),
        "held_at": held_at.isoformat(),
        "reverse_path": envelope.reverse_path,
        "recipients": [recipient.address for recipient in envelope.recipients[:RECIPIENTS_NAMED]],
        "size_octets": envelope.size_octets,
        "findings": [[each.scanner, each.verdict.value, each.detail[:200]] for each in findings],
    }
    return json.dumps(known, ensure_ascii=False).encode() + b"\n"


def read_line(tenant_id: str, queue_id: str, line: bytes) -> Held:
    """The reverse. Raises ValueError where it is none of ours."""
    try:
        known = json.loads(line)
        return Held(
            tenant_id,
            queue_id,
            datetime.fromisoformat(known["arrived_at"]),
            datetime.fromisoformat(known["held_at"]),
            str(known["reverse_path"]),
            tuple(map(str, known["recipients"])),
            int(known["size_octets"]),
            tuple(Finding(scanner, Verdict(word), detail) for scanner, word, detail in known["findings"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a line of the quarantine: {error}") from error
