"""Telling a client of IMAP4rev2 the name under which a mailbox is kept (RFC 9051 §6.3.2, §6.3.9.7)."""

from mailmodel.mailbox_name import SEPARATOR, canonical, is_below
from mailproto.imap import responses

from imap.core.places import Place, visible
from imap.core.session import Session


async def listed(session: Session, place: Place, asked: str) -> bytes:
    """The LIST response that SELECT gives."""
    info = place.info
    if place.is_own:
        has_inferiors = await session.store.has_inferiors(session.account, info.name)
    else:
        has_inferiors = any(is_below(other.info.name, info.name) for other in await visible(session))
    words = ["\\HasChildren" if has_inferiors else "\\HasNoChildren", *sorted(info.special_use)]
    if info.subscribed:
        words.append("\\Subscribed")
    return responses.listing(b"LIST", words, session.shown(info.name), _old_name(session, info.name, asked))


async def say_normal_form(session: Session, asked: str, attributes: tuple[str, ...] = ()) -> None:
    """After CREATE, DELETE, RENAME or APPEND: the name as it is kept, where the client wrote another."""
    if not session.is_rev2:
        return
    name = canonical(asked.removesuffix(SEPARATOR))
    old = _old_name(session, name, asked.removesuffix(SEPARATOR))
    if old:
        await session.say(responses.listing(b"LIST", attributes, session.shown(name), old))


def _old_name(session: Session, name: str, asked: str) -> bytes:
    return b"" if name == asked else b'"OLDNAME" (%b)' % session.shown(asked)
