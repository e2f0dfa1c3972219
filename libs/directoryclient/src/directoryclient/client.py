"""Asking, and remembering the answers briefly.

A yes to a password is kept under a keyed hash (the password itself is not kept),
a no never; that somebody must wait is kept for a moment, so that one who goes on
all the same asks nobody but us. When the directory tells of a change of a tenant, its answers are forgotten, and those
that are no tenant's (`memory.py`); when it does not say whose, all are. Nothing is remembered while the bus is away,
because no change would be heard.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
from mailmodel import AccountRef
from mailproto.sasl.bearer import TokenRefusal
from mailproto.sasl.scram_exchange import Candidate, Offer
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceStub

from directoryclient.answers import Disposition, Identity, Resolution, Target, Throttled, Unavailable
from directoryclient.memory import NOBODYS, Changes, Heard, Memory, about, concerned, parsed

ANSWER_SECONDS = 10.0
# A directory that restarts is away for a second or two: a login waits for it.
RETRY_SECONDS = 4.0
# A recipient can be asked for again later: only a connection that has just broken is made up for.
RESOLVE_RETRY_SECONDS = 0.5
MOST_KEPT = 20_000
RESOLUTION_SECONDS = 30.0
WAIT_SECONDS = 5.0

DISPOSITIONS = {
    wire.DISPOSITION_DELIVER: Disposition.DELIVER,
    wire.DISPOSITION_REMOTE: Disposition.REMOTE,
    wire.DISPOSITION_UNKNOWN: Disposition.UNKNOWN,
    wire.DISPOSITION_DISABLED: Disposition.DISABLED,
    wire.DISPOSITION_LOOP: Disposition.LOOP,
}

A = TypeVar("A")


class DirectoryClient:
    """The directory as one process asks it."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        door: str,
        hears_changes: Callable[[], bool],
        login_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryServiceStub(channel)
        self._door = door
        self._hears_changes = hears_changes
        self._login_seconds = login_seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._identities: Memory[bytes, Identity] = Memory(MOST_KEPT)
        self._resolutions: Memory[str, Resolution] = Memory(MOST_KEPT)
        # They are no tenant's: every change forgets them.
        self._waits: Memory[bytes, float] = Memory(MOST_KEPT)
        # An answer that was under way while a change came that concerns it is not kept.
        self._changes = Changes()
        self._changes_heard = 0

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed: forget what it concerns."""
        names = concerned(parsed(payload))
        self._changes_heard += 1
        self._changes.tell(names)
        self._forget(names)

    def _forget(self, names: frozenset[str] | None = None) -> None:
        for memory in (self._identities, self._resolutions, self._waits):
            memory.forget(names)

    def _may_recall(self) -> bool:
        if self._hears_changes():
            return True
        self._forget()
        return False

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        """One resolution for each address, in order; one call for those not remembered. Raises Unavailable."""
        now = self._clock()
        known: dict[str, Resolution] = {}
        if self._may_recall():
            for address in addresses:
                if (kept := self._resolutions.recall(address, now)) is not None:
                    known[address] = kept
        unknown = [address for address in dict.fromkeys(addresses) if address not in known]
        if unknown:
            with self._changes.under_way() as heard:
                answer = await self._ask(
                    self._stub.ResolveRecipients,
                    wire.ResolveRecipientsRequest(addresses=unknown),
                    RESOLVE_RETRY_SECONDS,
                )
            for address, found in zip(unknown, answer.resolutions, strict=True):
                resolution = Resolution(
                    DISPOSITIONS[found.disposition],
                    tuple(
                        Target(target.address, target.account_id or None, target.tenant_id)
                        for target in found.targets
                    ),
                    found.tenant_id,
                )
                known[address] = resolution
                # A directory of before does not say in whose tables it looked: then it is anybody's.
                names = about(found.found_in_tenant_ids, address)
                if not heard.concerns(names) and self._hears_changes():
                    self._resolutions.keep(address, resolution, now + RESOLUTION_SECONDS, names)
        return [known[address] for address in addresses]

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """The account whose login and password these are, or None. Raises Throttled and Unavailable."""
        # With the address: a program that comes from somewhere else is told to the directory.
        who = f"{client_address} {len(login)} {login}"
        digest, pair = self._digest(f"{who} {password}"), self._digest(who)
        if self._may_recall():
            now = self._clock()
            if (kept := self._identities.recall(digest, now)) is not None:
                return kept
            if (until := self._waits.recall(pair, now)) is not None:
                raise Throttled(until - now)
        with self._changes.under_way() as heard:
            answer = await self._ask(
                self._stub.Authenticate,
                wire.AuthenticateRequest(
                    login=login, password=password, door=self._door, client_address=client_address
                ),
            )
        throttled = answer.verdict == wire.VERDICT_THROTTLED
        if throttled and not heard.concerns(NOBODYS) and self._hears_changes():
            until = self._clock() + min(answer.retry_after_seconds, WAIT_SECONDS)
            self._waits.keep(pair, until, until)
        identity = _identity(answer)
        if identity is not None:
            seconds = self._login_seconds
            if answer.HasField("remember_seconds"):
                seconds = min(seconds, answer.remember_seconds)
            self._remember(digest, login, identity, seconds, heard)
        return identity

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        """Whom an access token lets in, or why it lets nobody in. Raises Throttled and Unavailable.

        A yes is remembered only where the directory says for how long: a token ends, and may be taken back.
        """
        digest = self._digest(f"token {client_address} {len(login)} {login} {token}")
        if self._may_recall() and (kept := self._identities.recall(digest, self._clock())) is not None:
            return kept
        with self._changes.under_way() as heard:
            answer = await self._ask(
                self._stub.AuthenticateToken,
                wire.AuthenticateTokenRequest(
                    login=login, token=token, door=self._door, client_address=client_address
                ),
            )
        identity = _identity(answer.answer)
        if identity is None:
            return TokenRefusal(scope=answer.scope, openid_configuration=answer.openid_configuration)
        seconds = min(self._login_seconds, answer.answer.remember_seconds)
        self._remember(digest, login, identity, seconds, heard)
        return identity

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        """Whom a client's certificate (DER) lets in; `login` is "" where it says that itself. Raises Throttled, Unavailable."""
        digest = self._digest(f"certificate {client_address} {len(login)} {login} {certificate.hex()}")
        if self._may_recall() and (kept := self._identities.recall(digest, self._clock())) is not None:
            return kept
        with self._changes.under_way() as heard:
            answer = await self._ask(
                self._stub.AuthenticateCertificate,
                wire.AuthenticateCertificateRequest(
                    login=login, certificate=certificate, door=self._door, client_address=client_address
                ),
            )
        identity = _identity(answer.answer)
        if identity is not None:
            seconds = self._login_seconds
            if answer.answer.HasField("remember_seconds"):
                seconds = min(seconds, answer.answer.remember_seconds)
            self._remember(digest, login, identity, seconds, heard)
        return identity

    def _remember(self, digest: bytes, login: str, identity: Identity, seconds: float, heard: Heard) -> None:
        # An address that has moved to another tenant lets nobody in by the answer of before.
        names = about((identity.account.tenant_id,), login, identity.address)
        if not heard.concerns(names) and self._hears_changes() and seconds > 0:
            self._identities.keep(digest, identity, self._clock() + seconds, names)

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=32).digest()

    async def start_scram(self, login: str, client_address: str) -> Offer:
        """What a SCRAM exchange with this login needs, whoever it is. Raises Throttled and Unavailable.

        No offer, no SCRAM: Unavailable too, where the directory keeps no such keys. What its candidates are called is for
        `finish_scram` alone.
        """
        changes = self._changes_heard
        answer = await self._ask(
            self._stub.StartScram,
            wire.StartScramRequest(login=login, door=self._door, client_address=client_address),
        )
        if answer.verdict == wire.VERDICT_THROTTLED:
            raise Throttled(answer.retry_after_seconds)
        if not answer.iterations:
            raise Unavailable("there is no SCRAM here")
        return Offer(
            answer.salt,
            answer.iterations,
            tuple(
                Candidate(
                    f"{each.credential_id}|{self._digest(each.stored_key.hex()).hex()}|{changes}",
                    each.stored_key,
                    each.server_key,
                )
                for each in answer.candidates
            ),
        )

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        """Whom a right proof of this candidate lets in; a wrong one ("") is told too, and counted.

        Raises Throttled and Unavailable.
        """
        credential_id = await self._proven(login, credential_id, client_address)
        answer = await self._ask(
            self._stub.FinishScram,
            wire.FinishScramRequest(
                login=login, credential_id=credential_id, door=self._door, client_address=client_address
            ),
        )
        return _identity(answer.answer)

    async def _proven(self, login: str, offered: str, client_address: str) -> str:
        """The credential; "" where its password is another now: an exchange that was begun before proves nothing."""
        same, _, changes = offered.rpartition("|")
        if same and (changes != str(self._changes_heard) or not self._hears_changes()):
            offer = await self.start_scram(login, client_address)
            if same not in {each.credential_id.rpartition("|")[0] for each in offer.candidates}:
                return ""
        return same.partition("|")[0]

    async def _ask(
        self, method: Callable[..., Awaitable[A]], request: object, retry_seconds: float = RETRY_SECONDS
    ) -> A:
        deadline = self._clock() + retry_seconds
        while True:
            try:
                return await method(request, timeout=ANSWER_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or self._clock() > deadline:
                    raise Unavailable(f"the directory does not answer: {error.code().name}") from error
            await asyncio.sleep(0.2)

    async def check(self) -> None:
        """Raise Unavailable while the directory cannot be asked."""
        try:
            await self._stub.ResolveRecipients(wire.ResolveRecipientsRequest(), timeout=2.0)
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error


def _identity(answer: wire.AuthenticateResponse) -> Identity | None:
    """Who may enter. Raises Throttled."""
    if answer.verdict == wire.VERDICT_THROTTLED:
        raise Throttled(answer.retry_after_seconds)
    if not answer.granted:
        return None
    found = answer.identity
    return Identity(
        AccountRef(found.tenant_id, found.account_id),
        found.address,
        found.store,
        frozenset(each.lower() for each in found.may_send_as),
        frozenset(each.lower() for each in found.may_send_on_behalf_of),
        answer.credential,
    )
