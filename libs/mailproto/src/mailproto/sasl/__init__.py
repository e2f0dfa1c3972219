"""SASL (RFC 4422) as a server needs it, for SMTP, IMAP and POP3: exchanges without I/O."""

from mailproto.sasl.bearer import BEARER_MECHANISMS, Bearer, BearerExchange, TokenRefusal
from mailproto.sasl.exchange import MECHANISMS, Challenge, Credentials, Fault, SaslExchange

__all__ = [
    "BEARER_MECHANISMS",
    "MECHANISMS",
    "Bearer",
    "BearerExchange",
    "Challenge",
    "Credentials",
    "Fault",
    "SaslExchange",
    "TokenRefusal",
]
