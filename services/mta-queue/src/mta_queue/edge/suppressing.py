"""Mail to suppressed addresses fails at once; what bounces for good is put on the list where the tenant wants that."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from directoryclient import Unavailable
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import Envelope

from mta_queue import metrics
from mta_queue.adapters.recording import whole_reply
from mta_queue.core.attempt import Delivery
from mta_queue.core.bounces import is_hard
from mta_queue.core.outcome import EXPIRED, Outcome, Verdict
from mta_queue.core.suppression import Cause, is_refusal, refusal
from mta_queue.ports import SuppressionList

LOG = logs.logger("mta_queue.suppressing")


class Suppressing:
    """`wants` says whether a tenant wants addresses put on its list that bounced for good; raises Unavailable."""

    def __init__(
        self, known: SuppressionList, wants: Callable[[str], Awaitable[bool]], keep_days: float
    ) -> None:
        self._known = known
        self._wants = wants
        self._keep = timedelta(days=keep_days)

    async def refused(self, tenant_id: str, recipients: Sequence[str]) -> list[Outcome]:
        """Outcomes for those that are on the list. Raises DatabaseUnavailable."""
        found = await self._known.among(tenant_id, recipients)
        metrics.SUPPRESSED.labels("refused").inc(len(found))
        return [Outcome(address, Verdict.FAILED, refusal(entry), "") for address, entry in found.items()]

    async def learn(self, envelope: Envelope, settled: Sequence[Outcome]) -> None:
        """What bounced for good. What cannot be asked or written now is learnt from the next bounce."""
        hard = [each for each in settled if is_telling(each)]
        if not hard:
            return
        try:
            if not await self._wants(envelope.tenant_id):
                return
            for each in hard:
                await self._known.happened(
                    envelope.tenant_id,
                    each.address,
                    Cause.HARD_BOUNCE,
                    whole_reply(each.reply),
                    envelope.queue_id,
                    datetime.now(UTC) + self._keep,
                )
                metrics.SUPPRESSED.labels("listed").inc()
                LOG.info("recipient_suppressed", queue_id=envelope.queue_id, recipient=each.address)
        except (Unavailable, DatabaseUnavailable) as error:
            LOG.warning("suppression_not_learnt", queue_id=envelope.queue_id, error=str(error))


def is_telling(outcome: Outcome) -> bool:
    """Whether another system said for good that nobody is there."""
    return (
        outcome.verdict is Verdict.FAILED
        and outcome.reply.enhanced != EXPIRED
        and not is_refusal(outcome.reply)
        and is_hard(outcome.reply)
    )


def with_refused(delivery: Delivery, refused: Sequence[Outcome]) -> Delivery:
    """Both together."""
    return replace(delivery, outcomes=[*refused, *delivery.outcomes]) if refused else delivery
