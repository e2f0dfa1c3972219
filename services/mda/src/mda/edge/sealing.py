"""Mail of accounts that have uploaded a public key is encrypted to it before it is filed.

It comes last: scanners and scripts have seen the message by then. What is filed is a body of the account's own; the
one that came is needed by nobody then, and housekeeping removes it. Each try makes it anew, and a process that dies
before the commit leaves an object that nobody needs either. Nothing is ever filed in clear for such an account: while
the directory does not say what it chose, its mail waits; and where its key can be used no more, senders are told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from blobstore import BodyReference
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef
from mailmsg.facts import MessageFacts, examine
from mailseal import KeyUnusable, is_sealed, seal
from mailstore import Delivery, NewMessage
from mailstore.staging import StagedBody
from servicekit import logs

from mda import metrics
from mda.edge.bodies import whole
from mda.ports import Bodies

LOG = logs.logger("mda.sealing")
# Each has the message in memory three times.
SEALED_AT_ONCE = 2


class Settings(Protocol):
    """What accounts chose."""

    async def of_account(self, account_id: str) -> AccountSettings:
        """Raises directoryclient.Unavailable."""


class Store(Protocol):
    """Where bodies of an account's own go."""

    async def put_body(self, account: AccountRef, content: bytes) -> BodyReference:
        """Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What can be filed, in its order; and what cannot, because nothing can be encrypted to its reader's key."""

    deliveries: list[Delivery]
    unsealable: list[Delivery]


class Sealing:
    """Reads what came, stores what is encrypted."""

    def __init__(self, settings: Settings, bodies: Bodies, store: Store) -> None:
        self._settings = settings
        self._bodies = bodies
        self._store = store
        self._room = asyncio.Semaphore(SEALED_AT_ONCE)

    async def seal(
        self, deliveries: Sequence[Delivery], keep_working: Callable[[], Awaitable[None]] | None = None
    ) -> Sealed:
        """Those of accounts with a key encrypted. Copies for one account share their body.

        `keep_working` is called before each that is encrypted: that may take a while.

        Raises directoryclient.Unavailable, BlobUnavailable, BlobMissing, StoreUnavailable: then nothing is to be filed.
        """
        accounts = list({each.account.account_id for each in deliveries if each.new is not None})
        chosen = await asyncio.gather(*(self._settings.of_account(each) for each in accounts))
        keys = {each: settings.encryption_key for each, settings in zip(accounts, chosen, strict=True)}
        made: dict[tuple[str, BodyReference], NewMessage | None] = {}
        sealed = Sealed([], [])
        for delivery in deliveries:
            new, account_id = delivery.new, delivery.account.account_id
            if new is None or not keys[account_id]:
                sealed.deliveries.append(delivery)
                continue
            same = (account_id, new.body)
            if same not in made:
                if keep_working is not None:
                    await keep_working()
                made[same] = await self._sealed(delivery, new, keys[account_id])
            stored = made[same]
            if stored is None:
                sealed.unsealable.append(delivery)
            else:
                new = replace(new, body=stored.body, facts=stored.facts)
                sealed.deliveries.append(replace(delivery, new=new))
        return sealed

    async def _sealed(self, delivery: Delivery, new: NewMessage, key: str) -> NewMessage | None:
        """As it is to be stored; as it was where it is encrypted already; None where the key cannot be used."""
        async with self._room:
            content = await self._content(new.body)
            try:
                made = await asyncio.to_thread(_made, content, key)
            except KeyUnusable as error:
                metrics.SEALED.labels("key_unusable").inc()
                LOG.warning(
                    "sealing_refused",
                    queue_id=delivery.queue_id,
                    account_id=delivery.account.account_id,
                    reason=str(error),
                )
                return None
            if made is None:
                metrics.SEALED.labels("encrypted_already").inc()
                return new
            sealed, facts = made
            metrics.SEALED.labels("sealed").inc()
            return replace(new, body=await self._store.put_body(delivery.account, sealed), facts=facts)

    async def _content(self, body: BodyReference) -> bytes:
        """What a script has changed is perhaps to be stored together with its message."""
        if isinstance(body, StagedBody):
            return body.plain
        return await whole(self._bodies, body)


def _made(content: bytes, key: str) -> tuple[bytes, MessageFacts] | None:
    if is_sealed(content):
        return None
    sealed = seal(content, key)
    return sealed, examine(sealed)
