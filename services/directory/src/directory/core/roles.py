"""What an account may do in its tenant beside using its own mail.

`administrator`: what the admin API lets a tenant's own people order. `auditor`: look at the same, and change nothing.
Owners and moderators of mailing lists are named by the lists.
"""

from collections.abc import Iterable

from directory.core.names import NameInvalid

ROLES = ("administrator", "auditor")


def checked(asked: Iterable[str]) -> list[str]:
    """Each once, in our order. Raises NameInvalid."""
    wanted = set(asked)
    if unknown := wanted - set(ROLES):
        raise NameInvalid(f"{min(unknown)[:60] or 'nothing'} is no role; there are {', '.join(ROLES)}")
    return [each for each in ROLES if each in wanted]
