"""A message's remote recipients by domain: each domain is an item of its own."""

from collections.abc import Iterable

from mta_queue.core.destinations import domain_of


def by_domain(addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """In the order in which the domains come."""
    groups: dict[str, list[str]] = {}
    for address in dict.fromkeys(addresses):
        groups.setdefault(domain_of(address), []).append(address)
    return {domain: tuple(members) for domain, members in groups.items()}
