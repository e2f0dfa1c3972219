"""What became of a recipient: delivered, to be tried again, or failed for good."""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from mailproto.smtp.client import Passed
from mailproto.smtp.dsn_request import Notify, RecipientRequest
from mailproto.smtp.reply import Reply
from mailproto.smtp.wishes import ByMode, DeliverBy, Relayed

EXPIRED = "5.4.7"
# Of what another system says so much is kept, for each recipient.
REPLY_MOST = 1000


class Verdict(Enum):
    """How one attempt ended for one recipient."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recipient of one attempt. `host` is "" where no host was reached.

    `dsn` says whether the next system took over what the sender wants to be told; `relayed` whether the sender's time
    limit wants it told that it was passed on (RFC 2852 §4.1.4).
    """

    address: str
    verdict: Verdict
    reply: Reply
    host: str
    dsn: Passed = Passed.ON
    relayed: Relayed = Relayed.UNTOLD

    @property
    def diagnostic(self) -> str:
        """The reply as a notice tells it (RFC 3464 §2.3.6)."""
        # What expired has our status and the peer's reply: they are not to be mixed.
        enhanced = "" if self.reply.enhanced == EXPIRED and self.reply.code < 500 else self.reply.enhanced
        return " ".join(filter(None, (str(self.reply.code), enhanced, self.reply.text)))

    @property
    def status(self) -> str:
        """The enhanced code for a notice (RFC 3463), made of the plain one where the peer gave none."""
        if self.reply.enhanced:
            return self.reply.enhanced
        match self.verdict:
            case Verdict.DELIVERED:
                return "2.0.0"
            case Verdict.DEFERRED:
                return "4.0.0"
            case Verdict.FAILED:
                return "5.0.0"
            case _:
                assert_never(self.verdict)


def judge(reply: Reply) -> Verdict:
    """RFC 5321 §4.2.1: 2yz is done, 4yz may be tried again, 5yz may not."""
    if 200 <= reply.code < 300:
        return Verdict.DELIVERED
    return Verdict.FAILED if 500 <= reply.code < 600 else Verdict.DEFERRED


def is_of_the_system(reply: Reply) -> bool:
    """Whether it is about the way or the other system, and would be the same for another recipient (RFC 3463 X.3, X.4)."""
    return reply.code == 421 or reply.enhanced.startswith(("4.3.", "4.4."))


def outcomes(
    addresses: tuple[str, ...],
    replies: tuple[Reply, ...],
    host: str,
    dsn: Passed = Passed.ON,
    relayed: Relayed = Relayed.UNTOLD,
) -> list[Outcome]:
    """One for each recipient of a transaction."""
    return [
        Outcome(address, judge(reply), _bounded(reply), host, dsn, relayed)
        for address, reply in zip(addresses, replies, strict=True)
    ]


def _bounded(reply: Reply) -> Reply:
    """A reply may have a hundred lines of two thousand octets."""
    if sum(map(len, reply.lines)) <= REPLY_MOST:
        return reply
    return Reply.of(reply.code, reply.enhanced, reply.text[:REPLY_MOST])


def is_to_be_told(outcome: Outcome, request: RecipientRequest) -> bool:
    """Whether the sender gets a notice of it (RFC 3461 §5.2.2, §5.2.6)."""
    match outcome.verdict:
        case Verdict.DELIVERED:
            if outcome.relayed is Relayed.TOLD and request.notify is not Notify.NEVER:
                return True
            return outcome.dsn is Passed.NOT_ON and request.wants(Notify.SUCCESS)
        case Verdict.FAILED:
            return request.wants(Notify.FAILURE)
        case Verdict.DEFERRED:
            return False
        case _:
            assert_never(outcome.verdict)


def relayed_of(by: DeliverBy | None, passed: Passed) -> Relayed:
    """Whether the sender is told that it was passed on: who asked for a trace, and whose limit the next system ignores."""
    if by is None:
        return Relayed.UNTOLD
    if by.mode is ByMode.NOTIFY and passed is Passed.NOT_ON:
        return Relayed.TOLD
    return by.relayed


def wants_delay(request: RecipientRequest, by: DeliverBy | None = None) -> bool:
    """Whether the sender is told that it takes longer: who did not say may be (RFC 3461 §4.1).

    Who set a time is, if not NEVER was said.
    """
    if by is not None and by.mode is ByMode.NOTIFY:
        return request.notify is not Notify.NEVER
    return request.notify is None or request.wants(Notify.DELAY)


def all_alike(addresses: tuple[str, ...], reply: Reply, host: str = "") -> list[Outcome]:
    """The same fate for all."""
    return outcomes(addresses, (reply,) * len(addresses), host)


def expired(outcome: Outcome) -> Outcome:
    """A recipient that was tried for long enough: final, with the peer's last reply (RFC 3463 X.4.7)."""
    last = outcome.reply
    return Outcome(outcome.address, Verdict.FAILED, Reply(last.code, EXPIRED, last.lines), outcome.host)
