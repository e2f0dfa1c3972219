"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §3), and rights in LIST (RFC 8440).

A client names people by their addresses, groups as `$` and an alias's address; kept are ids (mailmodel.rights). An id
that nobody has any more is shown as it is, so that it can be taken off the list.
"""

from directoryclient import Unavailable
from mailmodel.rights import (
    ADMINISTER,
    ALL_RIGHTS,
    ANYONE,
    AUTHENTICATED,
    GROUP,
    KNOWING,
    NEGATIVE,
    OBSOLETE,
    RIGHTS,
    RightsInvalid,
    changed,
    shown_form,
)
from mailproto.imap import responses
from mailproto.imap.commands import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from mailproto.sasl.saslprep import NotPrepared, saslprep
from mailstore import MailboxMissing, RightsFull

from imap.core.answer import NO_MAILBOX, Answer, Bad, No, ok
from imap.core.places import LATER, NOPERM, Place, need
from imap.core.session import Session

NOBODY = ("There is nobody of that name here", "CANNOT")
OWNERS = ("The owner has all rights, always", "CANNOT")
LONGEST_IDENTIFIER = 320


async def set_acl(session: Session, command: SetAcl) -> Answer:
    """Replace, add or remove rights of one identifier."""
    try:
        changed(ALL_RIGHTS, command.modification)
    except RightsInvalid as error:
        raise Bad(f"{str(error)[:1].upper()}{str(error)[1:]}", "") from None
    place = await need(session, command.mailbox, ADMINISTER)
    identifier = await _kept(session, place, command.identifier)
    try:
        await session.store.change_rights(
            place.reach.owner,
            place.info.mailbox_id,
            identifier,
            lambda rights: changed(rights, command.modification),
        )
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    except RightsFull:
        raise No("The list is full", "LIMIT") from None
    return ok("SETACL completed")


async def delete_acl(session: Session, command: DeleteAcl) -> Answer:
    """One that is not there is no error of anybody's."""
    place = await need(session, command.mailbox, ADMINISTER)
    identifier = await _kept(session, place, command.identifier)
    try:
        await session.store.change_rights(
            place.reach.owner, place.info.mailbox_id, identifier, lambda _: frozenset()
        )
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    return ok("DELETEACL completed")


async def get_acl(session: Session, command: GetAcl) -> Answer:
    """Its owner first."""
    place = await need(session, command.mailbox, ADMINISTER)
    try:
        entries = await session.store.rights(place.reach.owner, place.info.mailbox_id)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    entries = {place.reach.owner.account_id: RIGHTS, **entries}
    names = await _names(session, list(entries))
    pairs = [
        responses.quoted_or_literal(names[identifier].encode()) + b" " + _letters(frozenset(rights))
        for identifier, rights in entries.items()
    ]
    await session.say(b"* ACL %b %b\r\n" % (session.shown(place.info.name), b" ".join(pairs)))
    return ok("GETACL completed")


async def list_rights(session: Session, command: ListRights) -> Answer:
    """The owner has all; everybody else can be given any of them."""
    place = await need(session, command.mailbox, ADMINISTER)
    own = await _kept(session, place, command.identifier, may_be_owner=True) == place.reach.owner.account_id
    letters = [*RIGHTS, *OBSOLETE]
    said = f'"{"".join(letters)}"' if own else '"" ' + " ".join(letters)
    identifier = responses.quoted_or_literal(command.identifier.encode())
    await session.say(
        b"* LISTRIGHTS %b %b %b\r\n" % (session.shown(place.info.name), identifier, said.encode("ascii"))
    )
    return ok("LISTRIGHTS completed")


async def my_rights(session: Session, command: MyRights) -> Answer:
    """For everybody who may know of the mailbox."""
    place = await need(session, command.mailbox, "")
    if not place.reach.rights & KNOWING:
        raise No(*NOPERM)
    await session.say(my_rights_line(session, place))
    return ok("MYRIGHTS completed")


def my_rights_line(session: Session, place: Place) -> bytes:
    """The MYRIGHTS response."""
    return b"* MYRIGHTS %b %b\r\n" % (session.shown(place.info.name), _letters(place.reach.rights))


def _letters(rights: frozenset[str]) -> bytes:
    return shown_form(rights).encode("ascii") or b'""'


async def _kept(session: Session, place: Place, given: str, *, may_be_owner: bool = False) -> str:
    """An identifier as it is kept, from what a client wrote. Raises Bad, No."""
    try:
        name = saslprep(given)
    except NotPrepared:
        name = ""
    sign = NEGATIVE if name.startswith(NEGATIVE) else ""
    name = name.removeprefix(NEGATIVE)
    if not name or len(name) > LONGEST_IDENTIFIER:
        raise Bad("That is no identifier", "")
    if name.lower() in (ANYONE, AUTHENTICATED):
        return sign + name.lower()
    if name.startswith(GROUP):
        return sign + name.lower()
    tenant_id = session.account.tenant_id
    if session.people is None:
        raise No(*NOBODY)
    try:
        person = await session.people.by_address(tenant_id, name)
    except Unavailable:
        raise No(*LATER) from None
    if person is None:
        # One whose account is gone is still on the list, under its id.
        if sign + name in await session.store.rights(place.reach.owner, place.info.mailbox_id):
            return sign + name
        raise No(*NOBODY)
    if person.account_id == place.reach.owner.account_id and not may_be_owner:
        raise No(*OWNERS)
    return sign + person.account_id


async def _names(session: Session, identifiers: list[str]) -> dict[str, str]:
    """How identifiers are shown."""
    ids = [each.removeprefix(NEGATIVE) for each in identifiers]
    people = {}
    if session.people is not None:
        try:
            people = await session.people.by_id(session.account.tenant_id, ids)
        except Unavailable:
            raise No(*LATER) from None
    shown = {}
    for identifier, plain in zip(identifiers, ids, strict=True):
        sign = NEGATIVE if identifier.startswith(NEGATIVE) else ""
        shown[identifier] = sign + (people[plain].address if plain in people else plain)
    return shown
