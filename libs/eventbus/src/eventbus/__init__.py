"""How we speak over NATS: subjects, the mail stream, publish, consume, tell, listen.

Knows: NATS and JetStream. Does not know: what is in a payload.
"""

from eventbus.bus import EventBus, Subscription
from eventbus.consumer import BusMessage, MailConsumer
from eventbus.errors import BusMisconfigured, BusUnavailable, OutcomeUnknown

__all__ = [
    "BusMessage",
    "BusMisconfigured",
    "BusUnavailable",
    "EventBus",
    "MailConsumer",
    "OutcomeUnknown",
    "Subscription",
]
