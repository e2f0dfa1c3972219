"""DirectoryService: ResolveRecipients and Authenticate."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceServicer

from directory import metrics
from directory.core import names
from directory.core.passwords import Hasher, Verdicts
from directory.core.resolving import Disposition, resolve
from directory.edge.answers import mapped
from directory.ports import LookUps

Context = grpc.aio.ServicerContext[Any, Any]
DISPOSITIONS = {
    Disposition.DELIVER: wire.DISPOSITION_DELIVER,
    Disposition.REMOTE: wire.DISPOSITION_REMOTE,
    Disposition.UNKNOWN: wire.DISPOSITION_UNKNOWN,
    Disposition.DISABLED: wire.DISPOSITION_DISABLED,
    Disposition.LOOP: wire.DISPOSITION_LOOP,
}
ADDRESSES = 1000
DOORS = ("smtp", "imap", "pop3")


class Questions(DirectoryServiceServicer):
    """Answers the mail services."""

    def __init__(
        self, lookups: LookUps, hasher: Hasher, verdicts: Verdicts, threads: ThreadPoolExecutor
    ) -> None:
        self._lookups = lookups
        self._hasher = hasher
        self._verdicts = verdicts
        self._threads = threads

    @mapped
    async def ResolveRecipients(
        self, request: wire.ResolveRecipientsRequest, context: Context
    ) -> wire.ResolveRecipientsResponse:
        """One answer for each address, in order; one query for most requests."""
        if len(request.addresses) > ADDRESSES:
            raise names.NameInvalid(f"at most {ADDRESSES} addresses can be asked for at once")
        resolutions = await resolve(request.addresses, self._lookups.found)
        for resolution in resolutions:
            metrics.RESOLUTIONS.labels(resolution.disposition.value).inc()
        return wire.ResolveRecipientsResponse(
            resolutions=[
                wire.Resolution(
                    address=resolution.address,
                    disposition=DISPOSITIONS[resolution.disposition],
                    targets=[
                        wire.Target(
                            address=target.address,
                            account_id=target.account_id or "",
                            tenant_id=target.tenant_id,
                        )
                        for target in resolution.targets
                    ],
                    tenant_id=resolution.tenant_id,
                )
                for resolution in resolutions
            ]
        )

    @mapped
    async def Authenticate(
        self, request: wire.AuthenticateRequest, context: Context
    ) -> wire.AuthenticateResponse:
        """Wrong password, unknown login and suspended account look the same and take the same time."""
        door = request.door if request.door in DOORS else "other"
        key = names.split(request.login)
        login = await self._lookups.login(*key) if key is not None else None
        verifier = login.verifier if login is not None else None
        now = time.monotonic()
        if verifier is not None and self._verdicts.knows(verifier, request.password, now):
            right = True
        else:
            loop = asyncio.get_running_loop()
            with metrics.HASH_SECONDS.time():
                right = await loop.run_in_executor(
                    self._threads,
                    self._hasher.verify,
                    verifier,
                    request.password[: names.PASSWORD_OCTETS + 1],
                )
            if right and verifier is not None:
                self._verdicts.remember(verifier, request.password, now)
        if not right or login is None or login.suspended:
            metrics.LOGINS.labels(door, "denied").inc()
            return wire.AuthenticateResponse(granted=False)
        metrics.LOGINS.labels(door, "granted").inc()
        return wire.AuthenticateResponse(
            granted=True,
            identity=wire.Identity(
                account_id=login.account_id,
                tenant_id=login.tenant_id,
                address=login.address,
                store=login.store,
            ),
        )
