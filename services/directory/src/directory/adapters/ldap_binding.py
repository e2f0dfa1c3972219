"""Asking an LDAP server whether a password is right: look the entry up, then bind as it (RFC 4513 §5.1.3).

The library blocks, so it runs in threads of its own, a bounded number at once. TLS always, with the server's
certificate checked; a server in our own network only where that was allowed; no referrals. An address that has no entry,
or more than one, costs a bind too, so that time tells nobody who is there.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPExceptionError

from directory.adapters.issuers import IssuerUnavailable, checked_address
from directory.core.ldap import LdapSource

ANSWER_SECONDS = 5.0
THREADS = 8
MOST_WAITING = 64
INVALID_CREDENTIALS = 49


class LdapServers:
    """For one process."""

    def __init__(self, inside: Sequence[IPv4Network | IPv6Network] = (), threads: int = THREADS) -> None:
        self._inside = inside
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ldap")
        self._under_way = 0

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False)

    async def is_right(self, source: LdapSource, address: str, password: str) -> bool:
        """Raises IssuerUnavailable: whether it is right is not known then."""
        if not password or "\0" in password:
            # An empty one would be an unauthenticated bind, which succeeds and proves nothing.
            password = os.urandom(16).hex()
        if self._under_way >= MOST_WAITING:
            raise IssuerUnavailable("too many ask it already")
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            found = await asyncio.wait_for(
                loop.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM), ANSWER_SECONDS
            )
            host = checked_address(source.host, [str(each[4][0]) for each in found], self._inside)
            return await loop.run_in_executor(self._threads, _asked, source, host, address, password)
        except (LDAPException, LDAPExceptionError, OSError, TimeoutError, ValueError) as error:
            raise IssuerUnavailable(f"{source.host} does not answer as it should: {error}") from error
        finally:
            self._under_way -= 1


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """The library's own way asks for what newer Pythons have not; theirs checks the name while hands are shaken."""

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        context = ssl.create_default_context(cadata=self.ca_certs_data)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=self.sni)


def _asked(source: LdapSource, host: str, address: str, password: str) -> bool:
    # The certificate must be the name's, though the address is connected to.
    tls = _Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=source.ca_certificates or None, sni=source.host)
    server = ldap3.Server(
        host,
        source.port,
        use_ssl=source.is_tls_at_once,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=ANSWER_SECONDS,
    )

    def connected(user: str | None, secret: str | None) -> ldap3.Connection:
        connection = ldap3.Connection(
            server,
            user=user,
            password=secret,
            authentication=ldap3.SIMPLE if user else ldap3.ANONYMOUS,
            receive_timeout=int(ANSWER_SECONDS),
            auto_referrals=False,
            read_only=True,
            raise_exceptions=False,
        )
        connection.open()
        if not source.is_tls_at_once and not connection.start_tls():
            raise IssuerUnavailable(f"{source.host} has no StartTLS")
        return connection

    entry = _found(source, connected, address)
    connection = connected(entry or f"cn={os.urandom(8).hex()},{source.base_dn}", password)
    try:
        right = connection.bind()
        code = connection.result["result"]
        if not right and code not in _NO:
            raise IssuerUnavailable(f"{source.host} answers {connection.result['description']}")
        return bool(right) and entry is not None
    finally:
        connection.unbind()


# Codes that say no, for this entry (RFC 4511 App. A): wrong, locked, expired, gone.
_NO = frozenset({INVALID_CREDENTIALS, 19, 32, 34, 48, 50, 53})


def _found(
    source: LdapSource, connected: Callable[[str | None, str | None], ldap3.Connection], address: str
) -> str | None:
    """The one entry that the filter finds."""
    connection = connected(source.bind_dn or None, source.bind_password)
    try:
        if not connection.bind():
            raise IssuerUnavailable(f"{source.host} does not let us in: {connection.result['description']}")
        connection.search(
            source.base_dn,
            source.filter_for(address),
            attributes=ldap3.NO_ATTRIBUTES,
            size_limit=2,
            time_limit=int(ANSWER_SECONDS),
        )
        if connection.result["result"] not in (0, 4, 32):
            raise IssuerUnavailable(f"{source.host} answers {connection.result['description']}")
        entries = [each["dn"] for each in connection.response or () if each["type"] == "searchResEntry"]
        return str(entries[0]) if len(entries) == 1 and entries[0] else None
    finally:
        connection.unbind()
