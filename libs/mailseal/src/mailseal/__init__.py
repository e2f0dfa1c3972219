"""Messages encrypted to a public key of their reader, OpenPGP or X.509.

Knows: which keys can be encrypted to, how a message becomes an encrypted one (RFC 3156, RFC 8551), which messages are
encrypted already. Does not know: whose key it is, where messages are stored, private keys.
"""

from mailseal.key import KeyUnusable, check_key
from mailseal.message import is_sealed, seal

__all__ = ["KeyUnusable", "check_key", "is_sealed", "seal"]
