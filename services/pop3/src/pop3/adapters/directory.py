"""Asks the directory service whether a password is right, and remembers a yes for a short while.

A client that polls every minute would cost one argon2id each time. So a yes is kept for some seconds under a keyed
hash of login and password (the password itself is not kept), and dropped when the directory tells of a change. A no
is never kept. While the bus is away no change would be heard: then every login is asked for.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

import grpc
from mailmodel import AccountRef
from mailwire.directory.v1 import directory_pb2, directory_pb2_grpc

from pop3.ports import Unavailable

_ANSWER_SECONDS = 10.0
_MOST_KEPT = 10_000


class GrpcDirectory:
    """`ports.Directory` over gRPC."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        keep_seconds: float,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._keep_seconds = keep_seconds
        self._hears_changes = hears_changes
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[bytes, tuple[float, AccountRef]] = {}
        # Counts the changes heard: an answer that was under way while one came is not kept.
        self._changes = 0

    async def authenticate(self, login: str, password: str, client_address: str) -> AccountRef | None:
        """See `ports.Directory`."""
        digest = hashlib.blake2b(
            b"%d %s %s" % (len(login), login.encode(), password.encode()), key=self._key, digest_size=32
        ).digest()
        if (account := self._remembered(digest)) is not None:
            return account
        changes = self._changes
        try:
            answer = await self._stub.Authenticate(
                directory_pb2.AuthenticateRequest(
                    login=login, password=password, door="pop3", client_address=client_address
                ),
                timeout=_ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        if not answer.granted:
            return None
        account = AccountRef(answer.identity.tenant_id, answer.identity.account_id)
        if changes == self._changes:
            self._remember(digest, account)
        return account

    def changed(self, _subject: str, payload: bytes) -> None:
        """A `directory.changed` came: forget whom it may be about."""
        self._changes += 1
        try:
            change = directory_pb2.DirectoryChanged.FromString(payload)
        except Exception:  # Whatever protobuf makes of it, the safe reading is: all.
            self._kept.clear()
            return
        if not change.tenant_id:
            self._kept.clear()
            return
        self._kept = {
            digest: (until, account)
            for digest, (until, account) in self._kept.items()
            if account.tenant_id != change.tenant_id
        }

    def _remembered(self, digest: bytes) -> AccountRef | None:
        if not self._hears_changes():
            self._kept.clear()
            return None
        kept = self._kept.get(digest)
        if kept is None:
            return None
        until, account = kept
        if until < self._clock():
            del self._kept[digest]
            return None
        return account

    def _remember(self, digest: bytes, account: AccountRef) -> None:
        if self._keep_seconds <= 0 or not self._hears_changes():
            return
        if len(self._kept) >= _MOST_KEPT:
            # The oldest came first.
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = (self._clock() + self._keep_seconds, account)
