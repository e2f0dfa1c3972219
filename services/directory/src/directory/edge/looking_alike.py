"""No new name that looks like one that is here, unless somebody says that it is wanted all the same."""

from directory.adapters.addresses import Addresses
from directory.adapters.tenants import Domains
from directory.ports import Taken


async def refuse_look_alike(
    addresses: Addresses, tenant_id: str, address: str, but_of: str | None = None
) -> None:
    """Raises Taken where another address of the domain, which is the tenant's, looks like this one.

    Those of the account `but_of` may.
    """
    other = await addresses.look_alike(tenant_id, address, but_of)
    if other is not None:
        raise Taken(_sentence(address, other))


async def refuse_look_alike_domain(domains: Domains, name: str) -> None:
    """Raises Taken where another domain, of any tenant, looks like this one."""
    other = await domains.look_alike(name)
    if other is not None:
        raise Taken(_sentence(name, other))


def _sentence(wanted: str, other: str) -> str:
    return f"{wanted} looks like {other}, which is here already; say that you want it all the same"
