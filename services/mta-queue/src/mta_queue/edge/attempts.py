"""One attempt and what follows from it, the same for what comes from the bus and what comes from the table."""

from collections.abc import Sequence
from datetime import UTC, datetime

from blobstore import BlobMissing, BlobShredded, BlobUnavailable
from mailproto.smtp.reply import Reply
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import Envelope, SpooledLetter

from mta_queue import metrics
from mta_queue.adapters.recording import reply_text
from mta_queue.core.attempt import Delivery, attempt_of
from mta_queue.core.outcome import Outcome, all_alike, is_to_be_told
from mta_queue.core.shaping import NotNow, Passage
from mta_queue.core.turns import Lane
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.notices import Notices
from mta_queue.edge.releasing import Releasing
from mta_queue.edge.suppressing import Suppressing, with_refused
from mta_queue.ports import Due, Gate, Lanes, Outbound

LOG = logs.logger("mta_queue.attempts")
PAUSES_KEPT = 10_000


class Attempts:
    """Makes them, counts them, tells of them."""

    def __init__(
        self,
        outbound: Outbound,
        notices: Notices,
        lanes: Lanes,
        gate: Gate,
        rules: CurrentRules,
        releasing: Releasing,
        suppressing: Suppressing,
    ) -> None:
        self._suppressing = suppressing
        self._releasing = releasing
        self._gate = gate
        self._rules = rules
        self._outbound = outbound
        self._notices = notices
        self._lanes = lanes
        # By tenant, where it is a matter of how this one's mail goes, and domain.
        self._paused: dict[tuple[str, str], datetime] = {}

    async def make(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str = ""
    ) -> Delivery:
        """An outcome for each recipient. Raises NotNow, BlobUnavailable, DatabaseUnavailable."""
        if (instead := await self._releasing.instead(letter, domain, recipients)) is not None:
            return instead
        refused: list[Outcome] = []
        if self._rules.now.suppresses:
            refused = await self._suppressing.refused(letter.envelope.tenant_id, recipients)
            gone = {each.address for each in refused}
            recipients = tuple(each for each in recipients if each not in gone)
            if not recipients:
                return Delivery(refused, [])
        return with_refused(await self._through_gate(letter, domain, recipients, route), refused)

    async def _through_gate(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str
    ) -> Delivery:
        tenant_id = letter.envelope.tenant_id
        rule = self._rules.now.way_of(tenant_id, domain).route
        # What a smarthost may have, and says, is no matter of the domain's own hosts.
        asked = route or (rule.text if rule is not None else "")
        passage = await self._gate.enter(self._rules.now, tenant_id, domain, asked)
        try:
            delivery = await self._deliver(letter, domain, recipients, route, passage)
        finally:
            self._gate.leave(passage)
        try:
            if await self._gate.heard(passage, domain, asked, delivery.attempts):
                await self._rules.reload()
        except DatabaseUnavailable as error:
            # What came of the attempt is what counts.
            LOG.warning("reaction_lost", domain=domain, error=str(error))
        return delivery

    async def _deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str,
        passage: Passage,
    ) -> Delivery:
        started_at = datetime.now(UTC)
        try:
            return await self._outbound.deliver(letter, domain, recipients, route, passage)
        except BlobShredded:
            LOG.warning("body_shredded", queue_id=letter.envelope.queue_id)
            reply = Reply.of(554, "5.3.0", "The key that the message was encrypted with was deleted")
        except BlobMissing:
            # Accepted and gone: nothing can be sent, and the sender must know.
            LOG.error("body_missing", queue_id=letter.envelope.queue_id, object_key=letter.body.object_key)
            reply = Reply.of(554, "5.3.0", "The message was lost by our storage")
        except (BlobUnavailable, DatabaseUnavailable, NotNow):
            raise
        except Exception:
            # A bug must not make this message go round for ever: it waits like any other, and ends like any other.
            LOG.exception("attempt_failed", queue_id=letter.envelope.queue_id, domain=domain)
            reply = Reply.of(451, "4.3.0", "Something went wrong here")
        fate = all_alike(recipients, reply)
        return Delivery(fate, [attempt_of(domain, started_at, 0.0, "", "", fate)])

    async def tell(
        self, envelope: Envelope, payload: bytes, settled: Sequence[Outcome], waiting: Sequence[Outcome]
    ) -> None:
        """After it is recorded: logs, counters, and notices to the sender."""
        for outcome in (*settled, *waiting):
            metrics.RECIPIENTS.labels(outcome.verdict.value).inc()
            LOG.info(
                f"recipient_{outcome.verdict.value}",
                queue_id=envelope.queue_id,
                recipient=outcome.address,
                host=outcome.host,
                reply=reply_text(outcome.reply),
            )
        await self._suppressing.learn(envelope, settled)
        requests = {recipient.address: recipient.request for recipient in envelope.recipients}
        told = tuple(each for each in settled if is_to_be_told(each, requests[each.address]))
        if told:
            await self._notices.make(Due(envelope.tenant_id, envelope.queue_id, payload, told))

    def forget(self) -> None:
        """The operator has ordered something: what was away is tried, not remembered."""
        self._paused.clear()
        self._outbound.forget()

    def away_until(self, lane: Lane, now: datetime) -> datetime | None:
        """When a destination may be there again that is not there now."""
        until = self._paused.get((self._whose(lane), lane.domain))
        return until if until is not None and until > now else None

    async def mind(self, lane: Lane, delivery: Delivery) -> None:
        """A destination of which no host answers has no turn for a while, whoever's mail it is that goes this way."""
        until = delivery.dead_until
        whose = self._whose(lane)
        key = (whose, lane.domain)
        if until is None or self._paused.get(key, until) > until:
            return
        if len(self._paused) >= PAUSES_KEPT:
            self._paused.clear()
        if self._paused.get(key) != until:
            self._paused[key] = until
            others = [] if whose else self._rules.now.others_than_mx(lane.domain)
            await self._lanes.pause(lane.domain, until, whose, others)
            LOG.info("destination_paused", domain=lane.domain, tenant_id=whose, until=until.isoformat())

    def _whose(self, lane: Lane) -> str:
        """ "" where everybody's mail goes the same way."""
        return lane.tenant_id if self._rules.now.way_of(lane.tenant_id, lane.domain).is_own else ""
