"""Where an alias's mail goes, as it is kept."""

from collections.abc import Sequence

from directory.adapters.tenants import Domains
from directory.core import names

ALIAS_TARGETS = 100


async def targets_of(domains: Domains, targets: Sequence[str]) -> list[str]:
    """Each once; ours in the form that we keep, remote ones as they were written. Raises NameInvalid."""
    if not 1 <= len(targets) <= ALIAS_TARGETS:
        raise names.NameInvalid(f"an alias has 1 to {ALIAS_TARGETS} targets")
    ours = await domains.ours({names.domain_of(target) for target in targets})
    kept = (
        names.address(each) if names.domain_of(each) in ours else names.forward_path(each) for each in targets
    )
    return list(dict.fromkeys(kept))
