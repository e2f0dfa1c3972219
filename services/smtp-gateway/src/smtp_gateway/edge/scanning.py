"""Mail judged by its content before it is accepted, for tenants that want that: refused here it need not be bounced.

A message for several tenants is refused only where all of them would; each keeps its own part of what is accepted all
the same from its users when it is filed.
"""

from directoryclient import Unavailable
from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway.core import roles
from smtp_gateway.core.roles import Transaction
from smtp_gateway.edge.judging import Judged
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.visit import Visit
from smtp_gateway.ports import Asked, Judgement, JudgeUnavailable

LOG = logs.logger("smtp_gateway.scanning")
UNWANTED = Reply.of(550, "5.7.1", "The content of this message is not wanted here")
INFECTED = Reply.of(550, "5.7.1", "There is a virus in this message")
REFUSING = {Judgement.REFUSE: UNWANTED, Judgement.INFECTED: INFECTED}
LATER = Reply.of(451, "4.7.1", "The message cannot be looked at now; try again later")
DELIVER_MARKED = "deliver_marked"


async def scan(needs: Needs, visit: Visit, transaction: Transaction, judged: Judged) -> Reply | None:
    """Why it is not accepted, or None."""
    if needs.judge is None or needs.policies is None:
        return None
    recipients = transaction.recipients.values()
    if not recipients or any(each.account_id is None for each in recipients):
        return None
    by_tenant: dict[str, list[str]] = {}
    for each in recipients:
        by_tenant.setdefault(each.tenant_id, []).append(each.address)
    try:
        policies = {tenant_id: await needs.policies.of(tenant_id) for tenant_id in by_tenant}
    except Unavailable as error:
        LOG.warning("policies_unavailable", error=str(error))
        return roles.UNWELL
    if not all(policy.scan_before_accepting for policy in policies.values()):
        return None
    judgements = []
    for tenant_id, addresses in by_tenant.items():
        asked = Asked(
            tenant_id,
            transaction.reverse_path,
            tuple(addresses),
            visit.client.host,
            visit.hello.name,
            visit.who.account.account_id if visit.who is not None else "",
            judged.speaker,
        )
        try:
            judgements.append(await needs.judge.judge(asked, judged.content))
        except JudgeUnavailable as error:
            LOG.warning("judge_unavailable", connection=visit.connection.id, error=str(error))
            marked = policies[tenant_id].scanner_down == DELIVER_MARKED
            judgements.append(Judgement.ACCEPT if marked else Judgement.RETRY)
    if all(each in REFUSING for each in judgements):
        LOG.info("content_refused", connection=visit.connection.id, client=visit.client.host)
        return INFECTED if Judgement.INFECTED in judgements else UNWANTED
    return LATER if Judgement.RETRY in judgements else None
