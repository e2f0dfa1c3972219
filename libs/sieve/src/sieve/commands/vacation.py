""" "vacation" (RFC 5230) with ":seconds" (RFC 6131) and ":fcc" (RFC 8580).

The run decides whether an answer may go at all. Whether one went before is for the caller to know: the action names
the answer by a `handle`, made of the arguments as they stand in the script, before variables (RFC 5230 §4.2).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailmsg.header import header_end

from sieve.actions import NotSent, Vacation
from sieve.addresses import mailbox_list, outgoing_address
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.commands.file_copy import FILE_COPY_TAGS, FileCopyChoice, read_file_copy
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.header_block import HeaderBlock
from sieve.limits import DAY_SECONDS, Limits
from sieve.machine import Machine, shown
from sieve.personal import reason_not_to_answer
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text

DEFAULT_SUBJECT = "Automated reply"
MAX_SUBJECT_CHARACTERS = 500
_MAX_REFERENCES_OCTETS = 8 * 1024

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
# Nothing that a field of an answer can't hold: an id with a control character is nobody's.
_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,500}>")


@dataclass(frozen=True, slots=True)
class VacationCommand:
    """Answer the sender."""

    seconds: int
    subject: Text | None
    sender: Text | None
    addresses: tuple[Text, ...]
    is_mime: bool
    handle: Text | None
    reason: Text
    file_copy: FileCopyChoice | None
    fingerprint: str

    def run(self, machine: Machine) -> None:
        header = machine.message.header
        further = frozenset(self._further(machine))
        sender = self._sender(machine, further)
        content = self.reason.value(machine)
        if self.is_mime:
            check_entity(content)
        withheld = reason_not_to_answer(machine.situation, header, further)
        if withheld is not None:
            machine.ledger.vacation(NotSent(machine.place, "vacation", withheld))
            return
        message_id, references = threading_fields(header)
        action = Vacation(
            place=machine.place,
            recipient=machine.situation.reverse_path,
            handle=self.fingerprint if self.handle is None else "named " + shown(self.handle.value(machine)),
            interval_seconds=self.seconds,
            subject=self._subject(machine, header),
            sender=sender,
            content=content,
            is_mime=self.is_mime,
            in_reply_to=message_id,
            references=references,
            file_copy=None if self.file_copy is None else self.file_copy.copy(machine),
        )
        machine.ledger.vacation(action)

    def _further(self, machine: Machine) -> Iterator[str]:
        """The user's addresses that ":addresses" lists, with or without names."""
        for text in self.addresses:
            value = text.value(machine)
            yield (outgoing_address(value) or shown(value)).lower()

    def _subject(self, machine: Machine, header: HeaderBlock) -> str:
        if self.subject is not None:
            return one_line(shown(self.subject.value(machine)))
        original = header.named(b"subject")
        subject = one_line(shown(original[0].value)) if original else ""
        return one_line(f"Auto: {subject}") if subject else DEFAULT_SUBJECT

    def _sender(self, machine: Machine, further: frozenset[str]) -> str | None:
        """What ":from" says, where all of it is the user's; another's address is ignored (RFC 5230 §4.3)."""
        if self.sender is None:
            return None
        value = self.sender.value(machine)
        addresses = mailbox_list(value)
        if addresses is None:
            raise Fault(f'"{shown(value)[:100]}" can\'t be the sender of an answer')
        is_own = all(machine.situation.is_own(address) for address in addresses)
        return shown(value).strip() if is_own else None


def check_entity(content: bytes) -> None:
    """Raises Fault where a MIME entity has 8-bit octets in its header (RFC 5230 §5)."""
    end = header_end(content)
    if not (content if end is None else content[:end]).isascii():
        raise Fault("the header of a MIME entity can't hold 8-bit text")


def one_line(text: str) -> str:
    """A text that can stand in a header field."""
    return _CONTROLS.sub(" ", text).strip()[:MAX_SUBJECT_CHARACTERS]


def threading_fields(header: HeaderBlock) -> tuple[str, str]:
    """In-Reply-To and References of an answer (RFC 5322 §3.6.4); empty where the message has no Message-ID."""
    message_id = _ids(header, b"message-id")[:1]
    if not message_id:
        return "", ""
    before = _ids(header, b"references")
    if not before:
        in_reply_to = _ids(header, b"in-reply-to")
        before = in_reply_to if len(in_reply_to) == 1 else []
    return message_id[0], " ".join([*before, *message_id])


def _ids(header: HeaderBlock, name: bytes) -> list[str]:
    found = header.named(name)
    if not found:
        return []
    value = found[0].unfolded[-_MAX_REFERENCES_OCTETS:]
    return [message_id.decode("ascii", "replace") for message_id in _MESSAGE_ID.findall(value)]


def _interval(bound: Bound, limits: Limits) -> int:
    seconds = bound.tag_number("seconds")
    days = bound.tag_number("days")
    if seconds is not None:
        if seconds > 2**31:
            raise bound.error('":seconds" is too large')
        return min(max(seconds, limits.vacation_minimum_seconds), limits.vacation_maximum_seconds)
    if days is not None:
        return min(max(days, 1) * DAY_SECONDS, limits.vacation_maximum_seconds)
    return limits.vacation_default_seconds


def _fingerprint(*texts: Text | None, is_mime: bool) -> str:
    """A name for an answer that follows from its words alone; every part has its length before it."""
    digest = hashlib.sha256(b"mime" if is_mime else b"text")
    for text in texts:
        digest.update(b"-" if text is None else b"%d:" % len(text.source) + text.source)
    return "text " + digest.hexdigest()


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    subject, sender, reason = bound.tag_text("subject"), bound.tag_text("from"), bound.text(0)
    is_mime = "mime" in bound
    if sender is not None and sender.is_constant and mailbox_list(sender.source) is None:
        raise bound.error('":from" must hold addresses')
    if is_mime and reason.is_constant:
        try:
            check_entity(reason.source)
        except Fault as fault:
            raise bound.error(str(fault)) from None
    return VacationCommand(
        seconds=_interval(bound, compiler.scope.limits),
        subject=subject,
        sender=sender,
        addresses=bound.tag_texts("addresses") or (),
        is_mime=is_mime,
        handle=bound.tag_text("handle"),
        reason=reason,
        file_copy=read_file_copy(bound),
        fingerprint=_fingerprint(subject, sender, reason, is_mime=is_mime),
    )


_TAGS = (
    Tag("days", Kind.NUMBER, group="interval"),
    Tag("seconds", Kind.NUMBER, "vacation-seconds", "interval"),
    Tag("subject", Kind.STRING),
    Tag("from", Kind.STRING),
    Tag("addresses", Kind.STRINGS),
    Tag("mime"),
    Tag("handle", Kind.STRING),
    *FILE_COPY_TAGS,
)
KINDS = (CommandKind("vacation", Shape(((Kind.STRING,),), _TAGS), _compile, "vacation"),)
