"""ARC (RFC 8617): what those who handled a message on its way say of it, so that it may have been changed honestly."""

from senderauth.arc.chain import ArcSet, Chain
from senderauth.arc.seal import seal
from senderauth.arc.verify import ArcResult, Examined, examine, settle, verify

__all__ = ["ArcResult", "ArcSet", "Chain", "Examined", "examine", "seal", "settle", "verify"]
