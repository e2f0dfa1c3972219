"""How we speak over NATS: subjects, the mail stream, publish, consume, tell, listen, ledgers.

Knows: NATS and JetStream. Does not know: what is in a payload.
"""

from eventbus.bus import EventBus, Subscription
from eventbus.consumer import BusMessage, MailConsumer
from eventbus.errors import BusMisconfigured, BusUnavailable, OutcomeUnknown
from eventbus.ledger import Followed, Ledger

__all__ = [
    "BusMessage",
    "BusMisconfigured",
    "BusUnavailable",
    "EventBus",
    "Followed",
    "Ledger",
    "MailConsumer",
    "OutcomeUnknown",
    "Subscription",
]
