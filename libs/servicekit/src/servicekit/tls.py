"""TLS contexts as our listeners use them: TLS 1.2 at least (RFC 8996, RFC 9325)."""

import ssl
from pathlib import Path
from weakref import WeakKeyDictionary

# tls-server-end-point (RFC 5929 §4.1) of the certificate that a context shows.
END_POINTS: WeakKeyDictionary[ssl.SSLContext, bytes] = WeakKeyDictionary()


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for the server side. Raises OSError or ssl.SSLError where the files are unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context
