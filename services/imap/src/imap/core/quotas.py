"""GETQUOTA and GETQUOTAROOT (RFC 9208), and a word in time to those whose account is nearly full (§4.3.1).

What may be kept is chosen by the tenant and the operator: there is no SETQUOTA. An account is one quota root, `account`
by name, and what its tenant shares another, `tenant`; the account of somebody else is a root by the name that its
mailboxes begin with. Where nothing is limited there is no root.
"""

from mailmodel import AccountRef
from mailmodel.mailbox_name import SEPARATOR
from mailmodel.quota import Quota
from mailmodel.rights import READ
from mailproto.imap import responses
from mailproto.imap.commands import GetQuota, GetQuotaRoot
from mailstore import MailboxNameInvalid

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.places import NOPERM, Place, find, is_foreign
from imap.core.session import Session

ACCOUNT = "account"
TENANT = "tenant"
NO_ROOT = ("There is no such quota root", "NONEXISTENT")
STORAGE_OCTETS = 1024
# From here on an account is nearly full: RFC 9208's soft quota.
SOFT_PERCENT = 90


async def get_quota(session: Session, command: GetQuota) -> Answer:
    """Of one's own account and tenant; others' are told with their mailboxes."""
    if is_foreign(command.root):
        raise No(*NOPERM)
    quota = await session.store.quota(session.account)
    if command.root not in _roots(quota, ACCOUNT):
        raise No(*NO_ROOT)
    await session.say(_line(command.root, quota))
    return ok("GETQUOTA completed")


async def get_quota_root(session: Session, command: GetQuotaRoot) -> Answer:
    """Of a mailbox that need not be there yet, if it is one's own."""
    try:
        place = await find(session, command.mailbox)
    except MailboxNameInvalid:
        place = None
    if place is None and is_foreign(command.mailbox):
        raise No(*NO_MAILBOX)
    if place is not None:
        place.reach.need(READ)
    owner = session.account if place is None else place.reach.owner
    quota = await session.store.quota(owner)
    roots = _roots(quota, _root_of(place))
    shown = b"".join(b" " + responses.quoted_or_literal(root.encode()) for root in roots)
    name = session.shown(command.mailbox if place is None else place.info.name)
    await session.say(b"* QUOTAROOT %b%b\r\n" % (name, shown))
    for root in roots:
        await session.say(_line(root, quota))
    return ok("GETQUOTAROOT completed")


def _root_of(place: Place | None) -> str:
    if place is None or place.is_own:
        return ACCOUNT
    return SEPARATOR.join(place.info.name.split(SEPARATOR, 2)[:2])


def _roots(quota: Quota, account: str) -> list[str]:
    limits = quota.limits
    roots = [account] if limits.octets or limits.messages else []
    return [*roots, TENANT] if limits.tenant_octets else roots


def _line(root: str, quota: Quota) -> bytes:
    """The QUOTA response: what is limited, in units of 1024 octets and in messages (RFC 9208 §5)."""
    limits = quota.limits
    triplets = []
    if root == TENANT:
        triplets.append(_storage(quota.tenant_used_octets, limits.tenant_octets))
    else:
        if limits.octets:
            triplets.append(_storage(quota.used_octets, limits.octets))
        if limits.messages:
            triplets.append(f"MESSAGE {quota.used_messages} {limits.messages}")
    name = responses.quoted_or_literal(root.encode())
    return b"* QUOTA %b (%b)\r\n" % (name, " ".join(triplets).encode("ascii"))


def _storage(used: int, limit: int) -> str:
    return f"STORAGE {-(-used // STORAGE_OCTETS)} {limit // STORAGE_OCTETS}"


async def warn(session: Session, owner: AccountRef, counted: Quota | None = None) -> None:
    """After something was put into this account, or one of its mailboxes was selected; `counted`: what it keeps, where that
    is known already.
    """
    if counted is None and not (await session.store.limits(owner)).is_limited:
        return
    quota = counted or await session.store.quota(owner)
    if quota.free_octets == 0 or quota.used_percent >= SOFT_PERCENT:
        said = f"{quota.used_percent} % of what may be kept is used"
        await session.say(session.untagged("NO", said, "OVERQUOTA"))
