"""A whole message and the operator's hooks: asked after our own checks, before it is signed and stored."""

from dataclasses import replace

from directoryclient import Unavailable
from mailproto.smtp.address import AddressInvalid, parse_forward_path
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_commands import Rcpt
from servicekit import logs

from smtp_gateway.core import roles
from smtp_gateway.core.hooks import Message
from smtp_gateway.core.roles import Transaction
from smtp_gateway.edge.hooking import Decided
from smtp_gateway.edge.judging import Judged
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.visit import Visit

LOG = logs.logger("smtp_gateway.hooked")
NOBODY_LEFT = Reply.of(250, "2.0.0", "Accepted")


async def through_hooks(
    needs: Needs, visit: Visit, transaction: Transaction, judged: Judged
) -> Judged | Reply:
    """The message as the hooks want it; the Reply, be it positive, is the end of it."""
    if visit.hooking is None:
        return judged
    decided = await visit.hooking.message(
        Message(
            visit.hello.name,
            transaction.reverse_path,
            tuple(each.original_address for each in transaction.recipients.values()),
            judged.content,
        )
    )
    if decided.reply is not None:
        return decided.reply
    try:
        await _change_recipients(needs, visit, transaction, decided)
    except Unavailable as error:
        LOG.warning("recipients_unresolved", error=str(error))
        return roles.UNWELL
    if not transaction.recipients:
        LOG.info("message_thrown_away", connection=visit.connection.id, reason="hooks left no recipient")
        return NOBODY_LEFT
    quarantined = judged.quarantined_tenants
    if decided.quarantined:
        quarantined = frozenset(each.tenant_id for each in transaction.recipients.values())
    return replace(
        judged,
        content=decided.content,
        field=decided.added + judged.field,
        quarantined_tenants=quarantined,
    )


async def _change_recipients(needs: Needs, visit: Visit, transaction: Transaction, decided: Decided) -> None:
    """Raises Unavailable."""
    removed = {address.lower() for address in decided.removed_recipients}
    for key, each in list(transaction.recipients.items()):
        if removed & {each.address.lower(), each.original_address.lower()}:
            del transaction.recipients[key]
    added = [each for each in decided.added_recipients if _is_address(each, transaction.charset)]
    if len(added) < len(decided.added_recipients):
        LOG.warning("hook_recipient_refused", connection=visit.connection.id, reason="that is no address")
    if not added:
        return
    for address, resolution in zip(added, await needs.directory.resolve(added), strict=True):
        reply = transaction.add(visit.role, Rcpt(address, RECIPIENT_DEFAULT), resolution, visit.who)
        if not reply.is_positive:
            LOG.warning("hook_recipient_refused", connection=visit.connection.id, code=reply.code)


def _is_address(text: str, charset: Charset) -> bool:
    """Whether RCPT could have named it: what leaves this door is written into envelopes and command lines."""
    try:
        parsed = parse_forward_path(f"<{text}>".encode())
    except (AddressInvalid, UnicodeEncodeError):
        return False
    return parsed.address == text and (text.isascii() or charset is Charset.UTF_8)
