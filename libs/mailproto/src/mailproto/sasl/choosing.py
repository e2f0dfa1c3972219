"""Which mechanisms a connection can use now, and the exchange that a chosen one begins."""

from collections.abc import Iterable

from mailproto.sasl.bearer import BEARER_MECHANISMS, BearerExchange
from mailproto.sasl.exchange import SaslExchange
from mailproto.sasl.external import EXTERNAL, ExternalExchange
from mailproto.sasl.scram import MECHANISM_PLUS, ChannelBinding
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, ScramExchange

Exchange = SaslExchange | ScramExchange | BearerExchange | ExternalExchange


def usable(
    mechanisms: Iterable[bytes], binding: ChannelBinding, *, has_certificate: bool
) -> tuple[bytes, ...]:
    """EXTERNAL only where TLS has said something about the client, PLUS where there is something to be bound to."""
    hidden = set() if has_certificate else {EXTERNAL}
    if not binding.data:
        hidden.add(MECHANISM_PLUS)
    return tuple(each for each in mechanisms if each not in hidden)


def exchange_of(mechanism: bytes, binding: ChannelBinding) -> Exchange:
    """Of a mechanism that is offered."""
    if mechanism in BOUND_SCRAM_MECHANISMS:
        return ScramExchange("", mechanism, binding)
    if mechanism == EXTERNAL:
        return ExternalExchange()
    return BearerExchange(mechanism) if mechanism in BEARER_MECHANISMS else SaslExchange(mechanism)
