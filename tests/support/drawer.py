"""Keys of tenants as blobstore asks for them, in memory: red and blue encrypt, plain does not."""

from blobstore import BlobShredded, DataKey, KeysUnavailable, TenantGone

RED, BLUE, PLAIN = "red", "blue", "plain"


class Drawer:
    """Satisfies blobstore.Keys. Other tenants get a key with `add`."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[int, DataKey]] = {}
        self.add(RED, 1, b"r" * 32)
        self.add(BLUE, 1, b"b" * 32)
        self.away = False
        # Tenants whose keys alone are away.
        self.missing: set[str] = set()
        # Tenants that were removed.
        self.gone: set[str] = set()

    def add(self, tenant_id: str, version: int, secret: bytes) -> None:
        self.kept.setdefault(tenant_id, {})[version] = DataKey(version, secret)

    async def current(self, tenant_id: str) -> DataKey | None:
        if self.away or tenant_id in self.missing:
            raise KeysUnavailable("away")
        if tenant_id in self.gone:
            raise TenantGone("there is no such tenant")
        kept = self.kept.get(tenant_id)
        return kept[max(kept)] if kept else None

    async def of(self, tenant_id: str, version: int) -> DataKey:
        if self.away or tenant_id in self.missing:
            raise KeysUnavailable("away")
        try:
            return self.kept[tenant_id][version]
        except KeyError:
            raise BlobShredded(tenant_id) from None
