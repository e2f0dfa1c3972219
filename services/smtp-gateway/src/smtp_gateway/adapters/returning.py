"""The directory, and bounces of mail that we forwarded: they come to an address that we rewrote (SRS) and go on to whom it
belongs.

The directory does not know such addresses; where its domain is ours and the hash too, the recipient is the one inside.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import grpc
from directoryclient import DirectoryClient, Disposition, Resolution, Target
from senderauth.srs import Srs, SrsFault

from smtp_gateway.core.roles import is_rewritten


class ReturningDirectory(DirectoryClient):
    """Without secrets a directory like any other."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        secrets: Sequence[bytes],
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(channel, door="smtp", hears_changes=hears_changes)
        self._secrets = tuple(secrets)
        self._today = today

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        """Where mail for these goes. Raises Unavailable."""
        found = await super().resolve(addresses)
        inner = {
            number: restored
            for number, (address, resolution) in enumerate(zip(addresses, found, strict=True))
            # Also where a catch-all would take it.
            if resolution.tenant_id and (restored := self._restored(address))
        }
        if not inner:
            return found
        places = await super().resolve(list(inner.values()))
        for (number, restored), place in zip(inner.items(), places, strict=True):
            tenant_id = found[number].tenant_id
            if place.disposition is Disposition.REMOTE:
                place = Resolution(Disposition.DELIVER, (Target(restored, None, tenant_id),), tenant_id)
            found[number] = place
        return found

    def _restored(self, address: str) -> str:
        """Whom it belongs to; "" where it is not one of ours."""
        if not (self._secrets and is_rewritten(address)):
            return ""
        restored = Srs(address.rpartition("@")[2], self._secrets).reverse(address, now=self._today())
        return "" if isinstance(restored, SrsFault) else restored
