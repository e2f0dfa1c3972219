"""From a whole message to the answer to its end: checks, trace, the gate."""

from datetime import UTC, datetime

from directoryclient import Identity, Unavailable
from mailmsg.date import format_date
from mailmsg.header import fields, header_end
from mailproto.smtp.body import BodyType
from mailproto.smtp.reply import Charset, Reply
from servicekit import logs
from spool import Letter, OutcomeUnknown, Source, SpoolUnavailable, new_queue_id
from spool.verp import has_room, with_copies

from smtp_gateway import metrics
from smtp_gateway.core import roles, trace, travelling
from smtp_gateway.core.heading import (
    Heading,
    lowered_header,
    missing_fields,
    read_heading,
    refuse_header,
    without_blind_copies,
)
from smtp_gateway.core.roles import Role, Transaction
from smtp_gateway.edge.converting import for_the_world
from smtp_gateway.edge.hooked import through_hooks
from smtp_gateway.edge.judging import Judged, judge, without_forged
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.owning import may_be_authors
from smtp_gateway.edge.scanning import scan
from smtp_gateway.edge.signing import sign
from smtp_gateway.edge.visit import Visit

LOG = logs.logger("smtp_gateway.accepting")
LOOP = Reply.of(554, "5.4.6", "The message has come round too often")


NOT_THE_AUTHOR = Reply.of(550, "5.7.1", "From, Sender or a Resent field names an address that is not yours")


class Dropped(Exception):
    """The connection is to be closed without another word."""


async def accept(needs: Needs, visit: Visit, transaction: Transaction, content: bytes) -> Reply:
    """The answer; a positive one only when the message is durable. Raises Dropped when nothing can be said."""
    started = needs.clock()
    header = lowered_header(content, needs.settings.header_octets)
    if trace.count_hops(header) > needs.settings.hops:
        metrics.REFUSED.labels(visit.role.value, "loop").inc()
        return LOOP
    refusal = refuse_header(header, needs.settings.header_octets, needs.settings.header_field_octets)
    heading = None
    if refusal is None and visit.who is not None:
        content = without_forged(needs, content, header)
        try:
            heading = await _heading_of(needs, visit.who, content)
        except Unavailable as error:
            LOG.warning("authors_unresolved", error=str(error))
            heading = roles.UNWELL
    if isinstance(heading, Reply):
        refusal, heading = heading, None
    if refusal is not None:
        metrics.REFUSED.labels(visit.role.value, "header").inc()
        LOG.info("header_refused", connection=visit.connection.id, code=refusal.code, reason=refusal.text)
        return refusal
    if needs.rooms is not None:
        recipients = tuple(transaction.recipients.values())
        if (full := await needs.rooms.refusal_of_message(recipients, len(content))) is not None:
            metrics.REFUSED.labels(visit.role.value, "full").inc()
            return full
    judged = await judge(needs, visit, transaction, content, header)
    if isinstance(judged, Reply):
        metrics.REFUSED.labels(visit.role.value, "policy").inc()
        return judged
    try:
        shown, has_verp = await _chosen(needs, visit)
    except Unavailable as error:
        LOG.warning("policies_unavailable", connection=visit.connection.id, error=str(error))
        metrics.REFUSED.labels(visit.role.value, "unwell").inc()
        return roles.UNWELL
    judged = await through_hooks(needs, visit, transaction, judged)
    if isinstance(judged, Reply):
        metrics.REFUSED.labels(visit.role.value, "hook").inc()
        return judged
    if heading is not None and visit.who is not None and judged.content is not content:
        # A hook changed the header: what it says now is what counts.
        try:
            changed = await _heading_of(needs, visit.who, judged.content)
        except Unavailable as error:
            LOG.warning("authors_unresolved", error=str(error))
            return roles.UNWELL
        if isinstance(changed, Reply):
            return changed
        heading = changed
    if (unwanted := await scan(needs, visit, transaction, judged)) is not None:
        metrics.REFUSED.labels(visit.role.value, "content").inc()
        return unwanted
    made = await for_the_world(_letter(needs, visit, transaction, judged, heading, shown))
    if has_verp:
        made = with_copies(made, "" if has_room(made) else await _owner(needs, made.reverse_path))
    letter = await sign(needs, visit.who, made)
    if isinstance(letter, Reply):
        metrics.REFUSED.labels(visit.role.value, "unwell").inc()
        return letter
    try:
        await needs.gate.accept(letter)
    except SpoolUnavailable as error:
        LOG.warning("message_postponed", queue_id=letter.queue_id, error=str(error))
        metrics.REFUSED.labels(visit.role.value, "unwell").inc()
        return roles.UNWELL
    except OutcomeUnknown as error:
        LOG.error("message_outcome_unknown", queue_id=letter.queue_id, error=str(error))
        metrics.OUTCOMES_UNKNOWN.inc()
        raise Dropped from error
    metrics.accepted(visit.role.value).inc()
    metrics.ACCEPT_SECONDS.observe(needs.clock() - started)
    metrics.SIZE.observe(len(content))
    LOG.info(
        "message_accepted",
        queue_id=letter.queue_id,
        role=visit.role.value,
        reverse_path=letter.reverse_path,
        recipients=len(letter.recipients),
        size_octets=len(content),
        client=letter.client_address,
    )
    return Reply.of(250, "2.0.0", f"Accepted as {letter.queue_id}")


async def _heading_of(needs: Needs, who: Identity, content: bytes) -> Heading | Reply:
    """The heading of what a user submits, or why it is refused. Raises Unavailable."""
    heading = read_heading(content)
    if isinstance(heading, Reply):
        return heading
    return heading if await may_be_authors(needs.directory, who, heading) else NOT_THE_AUTHOR


async def _chosen(needs: Needs, visit: Visit) -> tuple[trace.Submitter, bool]:
    """Whether Received says where a user submitted from, and whether each copy has a reverse-path of its own: the
    tenant chooses. Raises Unavailable.
    """
    if visit.who is None or needs.policies is None:
        return trace.Submitter.SHOWN, False
    policy = await needs.policies.of(visit.who.account.tenant_id)
    return trace.Submitter.HIDDEN if policy.hide_submitter_address else trace.Submitter.SHOWN, policy.verp


async def _owner(needs: Needs, reverse_path: str) -> str:
    """Whose account it is, in its domain; "" where that is not one's, or cannot be said now."""
    try:
        [resolution] = await needs.directory.resolve([reverse_path])
    except Unavailable:
        return ""
    domain = reverse_path.rpartition("@")[2].lower()
    owners = [each for each in resolution.targets if each.address.rpartition("@")[2].lower() == domain]
    return owners[0].account_id or "" if len(owners) == len(resolution.targets) == 1 else ""


def _letter(
    needs: Needs,
    visit: Visit,
    transaction: Transaction,
    judged: Judged,
    heading: Heading | None,
    shown: trace.Submitter,
) -> Letter:
    queue_id, now = new_queue_id(), datetime.now(UTC)
    content, added = judged.content, b""
    if heading is not None and visit.who is not None:
        content = without_blind_copies(content, heading)
        domain = visit.who.address.rpartition("@")[2]
        # What a hook put in front is not missing.
        given = frozenset(each.name.lower() for each in fields(judged.field))
        added = missing_fields(heading, given, format_date(now), f"<{queue_id}@{domain}>".encode())
    connection = visit.connection
    recipients = tuple(transaction.recipients.values())
    arrival = trace.Arrival(
        helo=visit.hello.name,
        is_extended=visit.hello.is_extended,
        is_local=visit.hello.is_local,
        client_address=visit.client.host,
        client_name=visit.client.name or (judged.speaker.client_name if judged.speaker is not None else ""),
        hostname=needs.settings.hostname,
        tls_version=connection.tls_version,
        tls_cipher=connection.tls_cipher,
        is_authenticated=visit.who is not None,
        charset=transaction.charset,
        queue_id=queue_id,
        sole_recipient=recipients[0].original_address if len(recipients) == 1 else None,
        at=now,
        submitter=shown,
    )
    return Letter(
        queue_id=queue_id,
        reverse_path=transaction.reverse_path,
        recipients=recipients,
        content=content,
        trace_prefix=judged.field + trace.received_field(arrival),
        added_fields=added,
        source=Source.SUBMISSION if visit.role is Role.MSA else Source.MX,
        arrived_at=now,
        helo=visit.hello.name,
        client_address=visit.client.host,
        sender_account_id=visit.who.account.account_id if visit.who is not None else "",
        smtputf8=transaction.charset is Charset.UTF_8,
        eight_bit=transaction.body is not BodyType.SEVEN_BIT,
        binary=transaction.body is BodyType.BINARY,
        request=transaction.request,
        speaker=judged.speaker,
        quarantined_tenants=judged.quarantined_tenants,
        wishes=travelling.with_header(transaction.wishes, content[: header_end(content) or len(content)]),
    )
