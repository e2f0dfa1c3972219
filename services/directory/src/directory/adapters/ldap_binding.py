"""Asking an LDAP server whether a password is right: look the entry up, then bind as it (RFC 4513 §5.1.3).

The library blocks, so it runs in threads of its own, a bounded number at once, and of one tenant fewer than there are:
its server may be slow on purpose. A server has so much time for all that it says, and room for so many octets; then the
connection is cut, and the thread free. TLS always, with the server's certificate checked; a server in our own network
only where that was allowed; no referrals. An address that has no entry, or more than one, costs a bind too, so that time
tells nobody who is there.
"""

import asyncio
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from threading import Lock

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPExceptionError

from directory.adapters.issuers import IssuerUnavailable, checked_address
from directory.core.ldap import LdapSource

# For each step, and for all of them: a door waits no longer (directoryclient.client.ANSWER_SECONDS).
ANSWER_SECONDS = 5.0
MOST_SECONDS = 9.0
MOST_OCTETS = 1 << 20
THREADS, THREADS_OF_A_TENANT = 32, 8
# Of one tenant.
MOST_WAITING = 64
INVALID_CREDENTIALS = 49
# What the library makes of octets that are no LDAP.
NO_LDAP = (LookupError, TypeError, AttributeError, RecursionError)


class LdapServers:
    """For one process."""

    def __init__(
        self,
        inside: Sequence[IPv4Network | IPv6Network] = (),
        threads: int = THREADS,
        of_a_tenant: int = THREADS_OF_A_TENANT,
    ) -> None:
        self._inside = inside
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ldap")
        self._of_a_tenant = of_a_tenant
        # By tenant, of those that have a server.
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._under_way: Counter[str] = Counter()

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False)

    async def is_right(self, source: LdapSource, address: str, password: str) -> bool:
        """Raises IssuerUnavailable: whether it is right is not known then."""
        if not password or "\0" in password:
            # An empty one would be an unauthenticated bind, which succeeds and proves nothing.
            password = os.urandom(16).hex()
        tenant = source.tenant_id
        if self._under_way[tenant] >= MOST_WAITING:
            raise IssuerUnavailable("too many ask it already")
        self._under_way[tenant] += 1
        line = _Line()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                return await self._in_turn(source, address, password, line)
        except (LDAPException, LDAPExceptionError, OSError, TimeoutError, ValueError, *NO_LDAP) as error:
            raise IssuerUnavailable(f"{source.host} does not answer as it should: {error}") from error
        finally:
            line.cut()
            self._under_way[tenant] -= 1

    async def _in_turn(self, source: LdapSource, address: str, password: str, line: "_Line") -> bool:
        loop = asyncio.get_running_loop()
        turns = self._turns.setdefault(source.tenant_id, asyncio.Semaphore(self._of_a_tenant))

        def done(_: "Future[bool]") -> None:
            with suppress(RuntimeError):  # The loop has ended before the thread.
                loop.call_soon_threadsafe(turns.release)

        await turns.acquire()
        asking = self._threads.submit(_asked, source, self._inside, address, password, line)
        # The turn ends with the thread, which a name server can keep for longer than anybody waits.
        asking.add_done_callback(done)
        return await asyncio.wrap_future(asking)


class _Line:
    """What one question is asked over. Cut: a thread that waits for an answer hears the end of it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_cut = False
        self._connection: ldap3.Connection | None = None

    def hold(self, connection: ldap3.Connection) -> None:
        """Its socket is the one that is waited at now. Raises TimeoutError where the line has been cut."""
        with self._lock:
            self._connection = connection
            if self._is_cut:
                raise TimeoutError("it took too long")

    def cut(self) -> None:
        """From any thread."""
        with self._lock:
            self._is_cut = True
            waited_at = self._connection.socket if self._connection is not None else None
            if waited_at is not None:
                with suppress(OSError):
                    socket.socket.shutdown(waited_at, socket.SHUT_RDWR)


class _Bounded(ssl.SSLSocket):
    """Hears so much and no more."""

    _heard = 0

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        data = super().recv(buflen, flags)
        self._heard += len(data)
        if self._heard > MOST_OCTETS:
            raise OSError("it says too much")
        return data


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """The library's own way asks for what newer Pythons have not; theirs checks the name while hands are shaken."""

    line: _Line

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        context = ssl.create_default_context(cadata=self.ca_certs_data)
        context.sslsocket_class = _Bounded
        connection.socket = context.wrap_socket(
            connection.socket, server_hostname=self.sni, do_handshake_on_connect=False
        )
        self.line.hold(connection)
        connection.socket.do_handshake()


def _asked(
    source: LdapSource,
    inside: Sequence[IPv4Network | IPv6Network],
    address: str,
    password: str,
    line: _Line,
) -> bool:
    found = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    host = checked_address(source.host, [str(each[4][0]) for each in found], inside)
    # The certificate must be the name's, though the address is connected to.
    tls = _Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=source.ca_certificates or None, sni=source.host)
    tls.line = line
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
        line.hold(connection)
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
