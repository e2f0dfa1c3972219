"""URLs that give others access to a part of a message (RFC 4467, RFC 5092 §6.1): GENURLAUTH, RESETKEY, and who may use one.

A user is named by his address. A URL reaches what he reaches at the moment when it is used, not what he did when he signed
it, and it does so within his tenant alone. Nobody is told of a user who is not there, nor whether a URL is wrong, out of
date, withdrawn or for somebody else: it leads nowhere.
"""

from datetime import UTC, datetime

from directoryclient import Unavailable
from directoryclient.sharing import Person
from mailmodel import AccountRef
from mailmodel.rights import READ
from mailproto.imap import responses
from mailproto.imap.commands import GenUrlAuth, ResetKey
from mailproto.imap.url_access import Grantee, UrlAccess, parse_access
from mailproto.imap.urls import MessageUrl, UrlInvalid, parse_url
from mailstore import MailboxMissing, MailboxNameInvalid, StoreUnavailable

from imap.core.answer import NO_MAILBOX, Answer, Bad, No, ok
from imap.core.places import LATER, Place, Reach, find_as, need
from imap.core.session import Session
from imap.core.signing import INTERNAL, is_signed, signed

# RFC 4467 §8: what keys of a mailbox are for.
URLMECH = f"URLMECH {INTERNAL}"


async def generate(session: Session, command: GenUrlAuth) -> Answer:
    """All or none. What is wrong with a URL is the client's fault (RFC 4467 §7)."""
    urls = [await _signed(session, each.url, each.mechanism) for each in command.urls]
    shown = b" ".join(responses.quoted_or_literal(url.encode("ascii")) for url in urls)
    await session.say(b"* GENURLAUTH %b\r\n" % shown)
    return ok("GENURLAUTH completed")


async def _signed(session: Session, text: str, mechanism: str) -> str:
    if mechanism != INTERNAL:
        raise Bad("URLs are signed by the mechanism INTERNAL here", "")
    try:
        url = parse_url(text)
        access = parse_access(text, url)
        check_host(session, url)
        if access.mechanism:
            raise UrlInvalid("signed already")
        if not is_me(session, url.user):
            raise UrlInvalid("another's")
        if access.name and not is_me(session, access.name) and await _person(session, access.name) is None:
            raise UrlInvalid("nobody")
        place = await need(session, url.mailbox, READ)
        check_validity(place, url)
        reach = place.reach
        key = await session.store.need_mailbox_key(reach.owner, reach.mailbox_id, session.account.account_id)
    except (UrlInvalid, MailboxMissing, MailboxNameInvalid):
        raise Bad("That is no URL of yours that can be signed", "") from None
    except No as error:
        if error.code == "UNAVAILABLE":
            raise
        raise Bad("That is no URL of yours that can be signed", "") from None
    return signed(access.rump, key)


async def reset(session: Session, command: ResetKey) -> Answer:
    """What was signed before is worth nothing from now on."""
    if any(mechanism != INTERNAL for mechanism in command.mechanisms):
        raise No("URLs are signed by the mechanism INTERNAL here", "CANNOT")
    reach = None if command.mailbox is None else (await need(session, command.mailbox, READ)).reach
    # It hears of it as all others do, and says so in its answer.
    session.own_renewals += 1
    try:
        if reach is None:
            await session.store.forget_mailbox_keys(session.account)
            return ok("RESETKEY completed")
        await session.store.renew_mailbox_key(reach.owner, reach.mailbox_id, session.account.account_id)
    except (MailboxMissing, StoreUnavailable) as error:
        session.own_renewals -= 1
        if isinstance(error, StoreUnavailable):
            raise
        raise No(*NO_MAILBOX) from None
    return ok("RESETKEY completed", URLMECH)


async def tell_renewed(session: Session) -> None:
    """Another session has renewed the key of the mailbox that is selected here."""
    session.tells_keys = False
    if session.selected is not None:
        await session.say(session.untagged("OK", "The key of this mailbox is another", URLMECH))


async def authorized(session: Session, text: str, url: MessageUrl) -> Reach:
    """The mailbox that a signed URL leads this session to. Raises UrlInvalid, MailboxNameInvalid, No."""
    access = parse_access(text, url)
    check_host(session, url)
    if access.mechanism != INTERNAL or (access.expires is not None and access.expires <= datetime.now(UTC)):
        raise UrlInvalid("not signed, or out of date")
    if not _may_use(session, access):
        raise UrlInvalid("for somebody else")
    signer = await _account(session, url.user)
    place = None if signer is None else await find_as(session, signer, url.mailbox)
    if signer is None or place is None:
        raise UrlInvalid("not there")
    place.reach.need(READ)
    check_validity(place, url)
    key = await session.store.mailbox_key(place.reach.owner, place.reach.mailbox_id, signer.account_id)
    if key is None or not is_signed(access.rump, access.token, key):
        raise UrlInvalid("another signature")
    return place.reach


def check_host(session: Session, url: MessageUrl) -> None:
    """Raises UrlInvalid where it is another's."""
    if url.host and url.host.lower() != session.hostname.lower():
        raise UrlInvalid("not here")


def check_validity(place: Place, url: MessageUrl) -> None:
    """Raises UrlInvalid where UIDs were given to other messages."""
    if url.uid_validity is not None and url.uid_validity != place.info.uid_validity:
        raise UrlInvalid("another UIDVALIDITY")


def is_me(session: Session, name: str) -> bool:
    """Whether that is this session's user."""
    assert session.who is not None
    return name.lower() == session.who.address.lower()


def _may_use(session: Session, access: UrlAccess) -> bool:
    """Whether this session is one that the URL is for (RFC 5092 §6.1.1.3)."""
    match access.grantee:
        case Grantee.ANONYMOUS | Grantee.ANY_USER:
            return True
        case Grantee.USER:
            return is_me(session, access.name)
        case Grantee.SUBMISSION:
            assert session.who is not None
            return session.who.address.lower() in session.submitters


async def _account(session: Session, name: str) -> AccountRef | None:
    if is_me(session, name):
        return session.account
    person = await _person(session, name)
    return None if person is None else AccountRef(session.account.tenant_id, person.account_id)


async def _person(session: Session, name: str) -> Person | None:
    if session.people is None:
        return None
    try:
        person = await session.people.by_address(session.account.tenant_id, name)
    except Unavailable:
        raise No(*LATER) from None
    return None if person is None or person.suspended else person
