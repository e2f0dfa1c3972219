"""SEARCH: how what was found is told and remembered (RFC 3501 §6.4.4, RFC 4731, RFC 5182, RFC 9394)."""

from collections.abc import Sequence

from mailproto.imap import responses
from mailproto.imap.commands import By, Search
from mailproto.imap.message_set import compact
from mailproto.imap.search_keys import asks_modseq
from mailproto.imap.search_returns import SearchReturn, SearchReturns

from imap.core import contexts
from imap.core.answer import Answer, ok
from imap.core.features import Feature
from imap.core.filters import filled_in
from imap.core.finding import Found, find, limited
from imap.core.limits import refuse_more
from imap.core.session import Session


async def search(session: Session, command: Search, tag: str) -> Answer:
    """The numbers that match: as SEARCH always told them, or as the client asked with RETURN."""
    # RFC 9051 §6.4.4: the answer is ESEARCH, whether or not it was asked for.
    returns = SearchReturns(frozenset()) if command.returns is None and session.is_rev2 else command.returns
    saves = returns is not None and SearchReturn.SAVE in returns.options
    updates = returns is not None and returns.updates
    if updates:
        contexts.check_tag(session, tag)
    try:
        command = await filled_in(session, command)
        found = await find(session, command.key)
        found, code = _limited(session, returns, found)
    except Exception:
        # RFC 5182 §2.1: whatever answers NO.
        if saves:
            session.saved = ()
        raise
    tells_modseq = asks_modseq(command.key)
    if tells_modseq:
        await session.enable(Feature.CONDSTORE)
    if returns is None:
        highest = highest_modseq(found) if tells_modseq and found else None
        await session.say(responses.search([_number(each, command.by) for each in found], highest))
        return ok("SEARCH completed", code)
    if saves:
        save(session, returns, found)
    if updates:
        await contexts.begin(session, command, tag, found)
    if saves and returns.partial is None and len(returns.options) == 1 and not updates:
        return ok("SEARCH completed, the result is saved", code)
    items = result_items(returns, found, command.by, tells_modseq=tells_modseq)
    await session.say(responses.esearch(tag, command.by is By.UID, items))
    return ok("SEARCH completed", code)


def _limited(session: Session, returns: SearchReturns | None, found: list[Found]) -> tuple[list[Found], str]:
    """Of one page no more is told than its length. Raises No."""
    if returns is None or returns.partial is None:
        return limited(session, found)
    refuse_more(returns.partial.length, session.limits.messages)
    return found, ""


def save(session: Session, returns: SearchReturns, found: Sequence[Found]) -> None:
    """`$` from now on (RFC 5182)."""
    session.saved = tuple(each.uid for each in _chosen(returns, found))


def _number(found: Found, by: By) -> int:
    return found.uid if by is By.UID else found.number


def highest_modseq(found: Sequence[Found]) -> int:
    """Of these messages."""
    return max((each.modseq for each in found), default=0)


def result_items(
    returns: SearchReturns, found: Sequence[Found], by: By, *, tells_modseq: bool = False
) -> list[tuple[str, bytes]]:
    """What ESEARCH tells of what was found, which is in its order."""
    numbers = [_number(each, by) for each in found]
    options = returns.options
    items: list[tuple[str, bytes]] = []
    if numbers:
        if SearchReturn.MIN in options:
            items.append(("MIN", b"%d" % numbers[0]))
        if SearchReturn.MAX in options:
            items.append(("MAX", b"%d" % numbers[-1]))
        if SearchReturn.ALL in options or (not options and returns.partial is None and not returns.updates):
            items.append(("ALL", compact(numbers)))
    if SearchReturn.COUNT in options:
        items.append(("COUNT", b"%d" % len(numbers)))
    if returns.partial is not None:
        part = compact(returns.partial.of(numbers)) or b"NIL"
        items.append(("PARTIAL", b"(%b %b)" % (returns.partial.encode(), part)))
    if SearchReturn.RELEVANCY in options:
        told = found if returns.partial is None else returns.partial.of(found)
        scores = " ".join(str(each.relevancy) for each in told)
        items.append(("RELEVANCY", f"({scores})".encode("ascii")))
    if tells_modseq and found:
        items.append(("MODSEQ", b"%d" % highest_modseq(_chosen(returns, found))))
    return items


def _chosen(returns: SearchReturns, found: Sequence[Found]) -> Sequence[Found]:
    """What is saved (the tables of RFC 5182 §2.4 and RFC 9394 §3.2), and whose highest MODSEQ is told (RFC 4731 §3.2)."""
    options = returns.options
    only_some = {SearchReturn.MIN, SearchReturn.MAX} & options or returns.partial is not None
    if SearchReturn.ALL in options or SearchReturn.COUNT in options or not only_some:
        return found
    chosen = list(returns.partial.of(found)) if returns.partial is not None else []
    if found and SearchReturn.MIN in options:
        chosen.append(found[0])
    if found and SearchReturn.MAX in options:
        chosen.append(found[-1])
    return sorted(set(chosen), key=lambda each: each.uid)
