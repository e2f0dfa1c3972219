"""DKIM (RFC 6376): a domain signs for a message."""

from senderauth.dkim.keys import Algorithm
from senderauth.dkim.message import MessageView
from senderauth.dkim.sign import SigningKey, generate_pem, kept_signing_key, sign, signing_key
from senderauth.dkim.verify import Candidate, DkimResult, examine, key_names, settle, verify

__all__ = [
    "Algorithm",
    "Candidate",
    "DkimResult",
    "MessageView",
    "SigningKey",
    "examine",
    "generate_pem",
    "kept_signing_key",
    "key_names",
    "settle",
    "sign",
    "signing_key",
    "verify",
]
