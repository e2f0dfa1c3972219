"""SASL (RFC 4422) as a server needs it, for SMTP, IMAP and POP3: exchanges without I/O."""

from mailproto.sasl.exchange import MECHANISMS, Challenge, Credentials, Fault, SaslExchange

__all__ = ["MECHANISMS", "Challenge", "Credentials", "Fault", "SaslExchange"]
