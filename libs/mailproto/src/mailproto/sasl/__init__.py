"""SASL (RFC 4422) as a server needs it, for SMTP, IMAP and POP3: exchanges without I/O."""

from mailproto.sasl.bearer import BEARER_MECHANISMS, Bearer, BearerExchange, TokenRefusal
from mailproto.sasl.exchange import MECHANISMS, Challenge, Credentials, Fault, SaslExchange
from mailproto.sasl.external import EXTERNAL, External, ExternalExchange

__all__ = [
    "BEARER_MECHANISMS",
    "EXTERNAL",
    "MECHANISMS",
    "Bearer",
    "BearerExchange",
    "Challenge",
    "Credentials",
    "External",
    "ExternalExchange",
    "Fault",
    "SaslExchange",
    "TokenRefusal",
]
