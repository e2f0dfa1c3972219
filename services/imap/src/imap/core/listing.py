"""LIST and LSUB (RFC 3501 §6.3.8, RFC 5258, RFC 5819, RFC 6154 §2, RFC 9590): one query, however many mailboxes there are.

A name is told when it fits a pattern and meets the selection criteria, or, with RECURSIVEMATCH, when a name below it
meets them that is not told itself (RFC 5258 §3.3).
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from mailmodel import INBOX, MailboxInfo
from mailmodel.mailbox_name import SEPARATOR, superiors
from mailmodel.rights import READ
from mailproto.imap import responses
from mailproto.imap.commands import List, Lsub
from mailproto.imap.mailbox_options import BASE_SELECTS, ListReturn, ListSelect, StatusItem
from mailproto.imap.names import Pattern

from imap.core import annotating, granting, status
from imap.core.answer import Answer, ok
from imap.core.features import Feature
from imap.core.places import OTHERS, SHARED, visible
from imap.core.session import Session

# Responses that are said at once.
GROUP = 500


async def listing(session: Session, command: List) -> Answer:
    """LIST. An empty pattern of a plain LIST asks for the separator only."""
    if not command.is_extended and command.patterns == ("",):
        await session.say(b'* LIST (\\Noselect) "/" ""\r\n')
        return ok("LIST completed")
    patterns = [command.reference + pattern for pattern in command.patterns if pattern]
    own_only = not any(_reaches_others(pattern) for pattern in patterns)
    places = {place.info.name: place for place in await visible(session, own_only=own_only)}
    known = {name: place.info for name, place in places.items()}
    subscribed = {name for name, info in known.items() if info.subscribed}
    if ListSelect.SUBSCRIBED in command.selects:
        subscribed |= set(await session.store.list_subscriptions(session.account))
    chosen = _Chosen(command, known, subscribed, await _fitting(session, patterns, known.keys() | subscribed))
    names = chosen.names()
    readable = {name for name in names if name in places and READ in places[name].reach.rights}
    if StatusItem.HIGHESTMODSEQ in command.status:
        await session.enable(Feature.CONDSTORE)
    counts = await status.count(session, [places[name] for name in sorted(readable)], command.status)
    annotations: Mapping[tuple[int, str], bytes] = {}
    annotatable: set[str] = set()
    if command.metadata:
        annotations = await session.store.annotations_named(session.account, command.metadata)
        annotatable = {name for name in names if name in places and annotating.may_see(places[name])}
        for name in annotatable:
            if not places[name].is_own:
                annotations = {**annotations, **await annotating.of_others(session, places[name])}
    lines: list[bytes] = []
    for name in names:
        words = chosen.attributes(name)
        if command.status and name in places and name not in readable:
            # RFC 5819 §2
            words.insert(0, "\\Noselect")
        lines.append(responses.listing(b"LIST", words, session.shown(name), chosen.extended(name)))
        if ListReturn.MYRIGHTS in command.returns and name in places:
            lines.append(granting.my_rights_line(session, places[name]))
        if command.status and name in readable:
            lines.append(status.line(session, known[name], command.status, counts))
        if name in annotatable:
            lines.append(annotating.listed(session, known[name], command.metadata, annotations))
        if len(lines) >= GROUP:
            await session.say(b"".join(lines))
            lines.clear()
    await session.say(b"".join(lines))
    return ok("LIST completed")


def _reaches_others(pattern: str) -> bool:
    """Whether it may fit a name that is not one's own."""
    front = re.split(r"[*%]", pattern, maxsplit=1)[0]
    has_wildcard = len(front) < len(pattern)
    return any(
        front.startswith(prefix + SEPARATOR)
        or (has_wildcard and (prefix + SEPARATOR).startswith(front))
        or front == prefix
        for prefix in (OTHERS, SHARED)
    )


async def _fitting(session: Session, patterns: Sequence[str], names: Iterable[str]) -> set[str]:
    """Those among these names and the names above them that any pattern fits."""
    fits = [Pattern(pattern) for pattern in patterns]
    found = set()
    candidates = {each for given in names for each in (given, *superiors(given))}
    for name in candidates:
        await session.turns.give_way()
        if any(each.matches(name) for each in fits):
            found.add(name)
    return found


class _Chosen:
    """Which names a LIST means, and what is said of each."""

    def __init__(
        self, command: List, known: dict[str, MailboxInfo], subscribed: set[str], fitting: set[str]
    ) -> None:
        self._known = known
        self._subscribed = subscribed
        self._fitting = fitting
        self._shows_levels = any("%" in pattern for pattern in command.patterns)
        self._is_extended = command.is_extended
        self._criteria = [option for option in BASE_SELECTS if option in command.selects]
        self._recursive = ListSelect.RECURSIVEMATCH in command.selects
        self._tells_subscribed = (
            ListSelect.SUBSCRIBED in command.selects or ListReturn.SUBSCRIBED in command.returns
        )
        self._with_inferiors = {upper for name in known for upper in superiors(name)}
        met = {name for name in known.keys() | subscribed if self._meets(name)}
        self._told = met & fitting
        # Names with something below them that meets the criteria; and those where it is not told by itself.
        self._above_met = {upper for name in met for upper in superiors(name)}
        self._above_hidden = {upper for name in met - self._told for upper in superiors(name)}

    def _meets(self, name: str) -> bool:
        """Every criterion; without any, that the mailbox exists."""
        info = self._known.get(name)
        if ListSelect.SUBSCRIBED in self._criteria and name not in self._subscribed:
            return False
        if ListSelect.SPECIAL_USE in self._criteria and (info is None or not info.special_use):
            return False
        return info is not None or bool(self._criteria)

    def names(self) -> list[str]:
        """In order, INBOX first."""
        told = set(self._told)
        if self._shows_levels and not self._criteria:
            # RFC 3501 §6.3.8: levels of which there is no mailbox, as above those of others.
            told |= (self._with_inferiors - self._known.keys()) & self._fitting
        if self._recursive:
            told |= self._above_hidden & self._fitting
        return sorted(told, key=lambda name: (name != INBOX, name.encode("utf-8", "surrogatepass")))

    def attributes(self, name: str) -> list[str]:
        """\\HasChildren and the like, special uses."""
        info = self._known.get(name)
        words = []
        if info is None:
            words.append("\\NonExistent" if self._is_extended else "\\Noselect")
            if name in self._with_inferiors:
                words.append("\\HasChildren")
        else:
            words.append("\\HasChildren" if name in self._with_inferiors else "\\HasNoChildren")
            words += sorted(info.special_use)
        if self._tells_subscribed and name in self._subscribed:
            words.append("\\Subscribed")
        return words

    def extended(self, name: str) -> bytes:
        """CHILDINFO (RFC 5258 §3.5)."""
        if not self._recursive or name not in self._above_met:
            return b""
        quoted = " ".join(f'"{option.value}"' for option in self._criteria)
        return f'"CHILDINFO" ({quoted})'.encode("ascii")


async def lsub(session: Session, command: Lsub) -> Answer:
    """Subscribed names; with % also those above one, as \\Noselect (RFC 3501 §6.3.9)."""
    names = await session.store.list_subscriptions(session.account)
    fitting = await _fitting(session, [command.reference + command.pattern], names)
    lines = [responses.listing(b"LSUB", [], session.shown(name)) for name in names if name in fitting]
    if command.pattern.endswith("%"):
        above = sorted({upper for name in names for upper in superiors(name)} - set(names))
        lines += [
            responses.listing(b"LSUB", ["\\Noselect"], session.shown(name))
            for name in above
            if name in fitting
        ]
    await session.say(b"".join(lines))
    return ok("LSUB completed")
