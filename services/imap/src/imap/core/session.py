"""What one session is in the middle of: who it is, which mailbox is selected, what is to be said."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from directoryclient import Identity
from mailmodel import AccountRef, Flags, SystemFlag
from mailmodel.flags import WIRE_NAMES
from mailmodel.rights import READ
from mailmodel.view import Exists, Expunged, FlagsChanged, MayExpunge, SessionView
from mailproto.imap import responses
from mailproto.imap.commands import Access, By
from mailproto.imap.message_set import MessageSet
from mailproto.imap.names import Dialect
from mailproto.imap.sort_keys import SortCriterion
from mailstore import FlagOutcome, MailboxMissing, MailStore, StoreUnavailable

from imap.core import places
from imap.core.answer import Bad, No
from imap.core.features import Feature, Utf8
from imap.core.languages import DEFAULT, translated
from imap.core.limits import MessageLimits
from imap.core.places import Reach
from imap.core.progress import STILL, Progress
from imap.core.reading_ahead import Ahead
from imap.core.turns import Turns
from imap.core.updating import Context, numbered
from imap.core.watch import Watch
from imap.ports import LongText, Opened, People, Policies, Texts

if TYPE_CHECKING:
    from imap.core.acting import Scripted


@dataclass
class Selected:
    """The mailbox that is selected."""

    mailbox_id: int
    name: str
    access: Access
    view: SessionView
    # Whose it is, and what this session may do there.
    reach: Reach
    ahead: Ahead = field(default_factory=Ahead)


# Most messages have no keywords: all that can be said of these, ready.
PLAIN_WORDS = {
    recent: [responses.flags(Flags(SystemFlag(n)).to_wire() + ["\\Recent"] * recent) for n in range(32)]
    for recent in (False, True)
}

UNLIMITED = MessageLimits()


def flag_words(system: int, keywords: frozenset[str], is_recent: bool) -> bytes:
    """A list of flags as it is sent."""
    if not keywords:
        return PLAIN_WORDS[is_recent][system]
    return responses.flags(Flags(SystemFlag(system), keywords).to_wire() + ["\\Recent"] * is_recent)


class Session:
    """Commands read and change this; `say` sends untagged responses, with back-pressure."""

    def __init__(
        self,
        store: MailStore,
        say: Callable[[bytes], Awaitable[None]],
        *,
        append_octets: int,
        progress: Progress,
        limits: MessageLimits = UNLIMITED,
        utf8: Utf8 = Utf8.ACCEPT,
        people: People | None = None,
        new_long_text: Callable[[int], LongText | None] = lambda _octets: None,
        hostname: str = "localhost",
        policies: Policies | None = None,
        filler: Texts | None = None,
        scripted: "Scripted | None" = None,
        opened: Opened | None = None,
        submitters: Collection[str] = (),
    ) -> None:
        self.store = store
        self.say = say
        self.turns = Turns()
        # The largest message that is taken.
        self.append_octets = append_octets
        self.progress = progress
        self.limits = limits
        self.utf8 = utf8
        # Who says whose a mailbox of others is; without it there are none.
        self.people = people
        # Room for a message that is too long to be held; None where there is none.
        self.new_long_text = new_long_text
        self.hostname = hostname
        # What the tenant and the account chose; without it, nothing.
        self.policies = policies
        self.filler = filler
        # None: no scripts run because of what is done here.
        self.scripted = scripted
        self.opened = opened
        # Addresses, in lower case, of those who submit messages for others (RFC 4467 §3).
        self.submitters = submitters
        self.who: Identity | None = None
        # In which people read what we say.
        self.language = DEFAULT
        self.selected: Selected | None = None
        self.features: set[Feature] = set()
        # NOTIFY (RFC 5465); None until the client uses it.
        self.watch: Watch | None = None
        # What is told of annotations to who has enabled that, and until it uses NOTIFY (RFC 5464 §4.4).
        self.annotation_watch: Watch | None = None
        # Messages of the selected mailbox that this client put there.
        self.own_uids: set[int] = set()
        # UIDs that the last search saved: `$` (RFC 5182).
        self.saved: tuple[int, ...] = ()
        # Results that are kept up to date, by their tags (RFC 5267), and messages that may have come or gone in them.
        self.contexts: dict[str, Context] = {}
        self.sorted_by: dict[str, tuple[SortCriterion, ...]] = {}
        self.touched: set[int] = set()
        # Among these, messages that others have put there.
        self.arrived: set[int] = set()
        # Something may have changed that this session has not looked at.
        self.is_stale = False
        # Keys that this session has renewed, and has not heard of yet; another session has renewed one (RFC 4467 §7).
        self.own_renewals = 0
        self.tells_keys = False

    @property
    def account(self) -> AccountRef:
        """Whose mail it is; the session has logged in."""
        assert self.who is not None
        return self.who.account

    def select(self, selected: Selected | None) -> None:
        """Another mailbox, or none; nothing is saved of the one before."""
        self.selected = selected
        self.saved = ()
        self.own_uids = set()
        self.contexts, self.sorted_by, self.touched, self.arrived = {}, {}, set(), set()
        self.tells_keys = False
        if selected is not None:
            selected.view.announces_modseqs = self.tells_modseqs

    def need_selected(self) -> Selected:
        """Raises Bad where none is."""
        if self.selected is None:
            raise Bad("Select a mailbox first")
        return self.selected

    def need_writable(self, rights: str = "") -> Selected:
        """With these rights. Raises Bad or No."""
        selected = self.need_selected()
        selected.reach.need(rights)
        if selected.access is Access.READ_ONLY:
            raise No("The mailbox was opened read-only", "NOPERM")
        return selected

    def uids(self, numbers: MessageSet, by: By) -> list[int]:
        """The UIDs that a command means. Raises Bad for sequence numbers that are not there."""
        view = self.need_selected().view
        if numbers.is_saved:
            return view.uids_by_uid((uid, uid) for uid in self.saved)
        if by is By.UID:
            return view.uids_by_uid(numbers.spans(view.largest_uid))
        try:
            return view.uids_by_number(numbers.spans(view.messages))
        except IndexError:
            raise Bad("There is no message with that number") from None

    @property
    def watch_of_others(self) -> Watch | None:
        """What this session hears of beside the selected mailbox."""
        return self.watch or self.annotation_watch

    @property
    def owners(self) -> set[AccountRef]:
        """Of the mailboxes of others that are selected or watched."""
        watch = self.watch_of_others
        owners = set() if watch is None else set(watch.owners)
        if self.selected is not None and self.selected.reach.reader_id:
            owners.add(self.selected.reach.owner)
        return owners

    def owner_of(self, mailbox_id: int) -> AccountRef:
        """Whose mailbox this is: that of the selected one's owner, else one's own."""
        selected = self.selected
        is_selected = selected is not None and selected.mailbox_id == mailbox_id
        return selected.reach.owner if selected is not None and is_selected else self.account

    async def refresh(self, may_expunge: MayExpunge) -> None:
        """Look at what has changed and announce it."""
        await self.look()
        await self.announce(may_expunge)

    def put_there(self, uids: Iterable[int]) -> None:
        """These messages of the selected mailbox are the client's own: nobody who wants new ones fetched is shown them."""
        if self.watch is not None or self.contexts:
            self.own_uids.update(uids)

    async def look(self) -> None:
        """Look at what has changed. A mailbox that is gone ends the selection."""
        await self.check_rights()
        selected = self.selected
        if selected is None:
            return
        self.is_stale = False
        view = selected.view
        changes = await places.changes_since(self, selected.reach, view.highest_modseq)
        if changes.gone:
            self.select(None)
            await self.say(self.untagged("NO", "The mailbox was deleted by another session", "NONEXISTENT"))
            return
        if changes.expunged:
            selected.ahead.forget()
        view.apply(changes.changed, changes.expunged, changes.highest_modseq, changes.uid_next)

    async def check_rights(self) -> None:
        """In another's mailbox they are what they are now; who may not read it any more has none selected."""
        selected = self.selected
        if selected is None or not selected.reach.reader_id:
            return
        now = await places.again(self, selected.reach)
        if now is not None and READ in now.rights:
            changed = now.limits != selected.reach.limits
            selected.reach = now
            if changed:
                await self.say(self.permanent_flags(selected))
            return
        self.select(None)
        await self.say(self.untagged("NO", "You may not read the mailbox any more", "NOPERM"))

    def permanent_flags(self, selected: Selected) -> bytes:
        """The flags that this session may change (RFC 4314 §5.1.1)."""
        limits = selected.reach.limits
        words = [name for bit, name in WIRE_NAMES.items() if bit & limits.system]
        if limits.keywords:
            words += [*sorted(selected.view.all_keywords()), "\\*"]
        shown = "" if selected.access is Access.READ_ONLY else " ".join(words)
        return self.untagged("OK", "Flags that are kept", f"PERMANENTFLAGS ({shown})")

    async def announce(self, may_expunge: MayExpunge, *, tells_flags: bool = True) -> list[int]:
        """Say what the view has heard of; the UIDs of messages that are new to the client."""
        selected = self.selected
        if selected is None:
            return []
        view = selected.view
        lines = []
        vanished = []
        known = view.messages
        gone = view.expunged_uids if self.contexts else ()
        for context in self.contexts.values() if gone else ():
            # Said while the messages still have their numbers (RFC 5267 §4.3.4).
            lines.append(context.removed(gone, numbered(view, context.by)))
        for update in view.flush(may_expunge):
            match update:
                case Expunged():
                    known -= 1
                    if Feature.QRESYNC in self.features or self.is_uid_only:
                        vanished.append(update.uid)
                    else:
                        lines.append(b"* %d EXPUNGE\r\n" % update.number)
                case Exists():
                    lines.append(b"* %d EXISTS\r\n" % update.messages)
                    if not self.is_rev2:
                        lines.append(b"* %d RECENT\r\n" % update.recent)
                    if selected.access is Access.READ_WRITE:
                        await self._claim_recent(selected)
                case FlagsChanged():
                    if self.contexts:
                        self.touched.add(update.uid)
                    if tells_flags:
                        lines.append(self.changed(update.number, update.uid))
        if vanished:
            lines.insert(0, responses.vanished(sorted(vanished)))
        if lines:
            await self.say(b"".join(lines))
        new = [view.uid_of(number) for number in range(known + 1, view.messages + 1)]
        if self.contexts:
            self.touched.update(new)
        return new

    def changed(self, number: int, uid: int) -> bytes:
        """A FETCH response that was not asked for."""
        modseq = b" MODSEQ (%d)" % self.need_selected().view.modseq_of(uid) if self.tells_modseqs else b""
        told = b"" if self.is_uid_only else b"UID %d " % uid
        return self.fetched(number, uid) + b"%bFLAGS %b%b)\r\n" % (told, self.flags(uid), modseq)

    def fetched(self, number: int, uid: int) -> bytes:
        """How a FETCH response begins (RFC 9586 §3.3)."""
        return b"* %d UIDFETCH (" % uid if self.is_uid_only else b"* %d FETCH (" % number

    @property
    def is_uid_only(self) -> bool:
        """Whether no sequence number is ever told or taken (RFC 9586)."""
        return Feature.UIDONLY in self.features

    @property
    def highest_told(self) -> str:
        """What a client that resynchronises may take for known (RFC 7162 §3.2.7), as a response code; else nothing."""
        if Feature.QRESYNC not in self.features or self.selected is None:
            return ""
        return f"HIGHESTMODSEQ {self.selected.view.known_modseq}"

    @property
    def is_rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051 §6.3.1)."""
        return Feature.IMAP4REV2 in self.features

    @property
    def dialect(self) -> Dialect:
        """How names are written."""
        if Feature.UTF8 in self.features:
            return Dialect.UTF8
        return Dialect.REV2 if self.is_rev2 else Dialect.REV1

    def untagged(self, status: str, text: str, code: str = "") -> bytes:
        """OK, NO or BAD on its own, in the client's language."""
        return responses.untagged(status, translated(text, self.language), code)

    def speak(self, language: str) -> None:
        """From now on (RFC 5255 §3.2)."""
        self.language = language
        self.progress.text = translated(STILL, language)

    def shown(self, name: str) -> bytes:
        """A mailbox's name as the client writes it."""
        return responses.mailbox(name, self.dialect)

    @property
    def tells_modseqs(self) -> bool:
        """Whether the client wants MODSEQ (and UID) with every change (RFC 7162 §3.2.4)."""
        return Feature.CONDSTORE in self.features

    async def enable(self, feature: Feature) -> None:
        """From now on. The first sign that a client knows MODSEQ is answered with the highest (RFC 7162 §3.1)."""
        if feature in self.features:
            return
        self.features.add(feature)
        if feature is Feature.CONDSTORE and self.selected is not None:
            self.selected.view.announces_modseqs = True
            highest = self.selected.view.highest_modseq
            await self.say(self.untagged("OK", "The highest mod-sequence", f"HIGHESTMODSEQ {highest}"))

    async def _claim_recent(self, selected: Selected) -> None:
        try:
            await self.store.claim_recent(selected.reach.owner, selected.mailbox_id, selected.view.uid_next)
        except (MailboxMissing, StoreUnavailable):
            # Another session may take them for recent too. What is being announced must be said: the view knows it as told.
            return

    def flags(self, uid: int) -> bytes:
        """A message's flags as this session sees them, \\Recent included where the client knows that."""
        view = self.need_selected().view
        flags = view.flags_of(uid)
        return flag_words(flags.system, flags.keywords, self.shows_recent(uid))

    def shows_recent(self, uid: int) -> bool:
        """Whether a message is \\Recent and the client knows what that is."""
        return self.need_selected().view.is_recent(uid) and not self.is_rev2

    def told(self, outcome: FlagOutcome) -> None:
        """The client is told of these flags, which it has changed."""
        view = self.need_selected().view
        view.told(outcome.entries)
        if not view.follows(outcome.modseq_before, outcome.modseq_after):
            # A client takes the highest MODSEQ it sees for what it knows: what others did before is told with it.
            self.is_stale = self.is_stale or self.tells_modseqs
        if self.contexts:
            self.touched.update(entry.uid for entry in outcome.entries)
