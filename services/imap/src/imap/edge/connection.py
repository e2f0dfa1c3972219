"""One IMAP connection: reads commands, lets core/ do them, says how they ended.

What belongs to the connection itself is done here or beside it: the greeting,
CAPABILITY and LOGOUT here, the login in `entering`, IDLE in `idling`, octets,
time limits and the end at SIGTERM in `wire`.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import assert_never

from mailmodel import AccountRef
from mailproto.imap import commands as c
from mailproto.imap import reader as r
from mailproto.imap import responses
from mailproto.imap.parse import CommandInvalid, parse
from mailproto.imap.parse_search import CharsetUnknown
from mailstore import (
    BodyCorrupt,
    BodyShredded,
    MailboxNameInvalid,
    MailStore,
    QuotaExceeded,
    StoreUnavailable,
)
from servicekit.tcp import Connection
from structlog.typing import FilteringBoundLogger

from imap import metrics
from imap.core import at_once, contexts, dispatch
from imap.core.acting import Scripted
from imap.core.answer import NOT_NOW, Answer, Bad, No, ok
from imap.core.features import Utf8
from imap.core.languages import DEFAULT, LANGUAGES, chosen, translated
from imap.core.mailboxes import namespaces
from imap.core.notifying import tell_news, tell_others, tell_unasked
from imap.core.passing import CutShort
from imap.core.progress import Progress
from imap.core.session import Session
from imap.edge.crowding import TOO_MANY, Crowd
from imap.edge.entering import Entrance, limits_of
from imap.edge.idling import idle
from imap.edge.waiting import octets_or_news
from imap.edge.wire import Over, Wire
from imap.ports import Changes, Directory, Listening, LongText, Opened, People, Policies, Texts
from imap.settings import Settings

# What of the drain is for sending clients away; at most so long for each, and in so many steps.
PART_OF_DRAIN = 0.8
FAREWELL_SECONDS = 0.005
FAREWELLS = 400
# RFC 9208 §4.3.1
OVER_QUOTA = {
    "account": "There is no room for that in the account",
    "tenant": "There is no room for that in what all accounts of the tenant share",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What all connections share."""

    settings: Settings
    directory: Directory
    store: MailStore
    changes: Changes
    tls: ssl.SSLContext | None
    log: FilteringBoundLogger
    # Without it nobody sees others' mailboxes.
    people: People | None = None
    policies: Policies | None = None
    filler: Texts | None = None
    # Room on the disk for messages that are too long to be held; without it they are held.
    new_long_text: Callable[[int], LongText | None] = lambda _octets: None
    # Without it no return receipts are sent.
    opened: Opened | None = None
    # Without it no scripts run because of what is done here.
    scripted: Scripted | None = None


class Connections:
    """All connections of this process; `serve` is the listeners' handler."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._open: set[Imap] = set()
        self.by_account: dict[str, int] = {}
        self._crowd = Crowd(needs.settings.connections_an_address)

    async def serve(self, connection: Connection) -> None:
        """Live one connection to its end."""
        if not self._crowd.enter(connection.peer_host):
            self._needs.log.info("connection_refused_crowd", peer_host=connection.peer_host)
            connection.write(TOO_MANY)
            return
        imap = Imap(connection, self._needs, self.by_account)
        self._open.add(imap)
        try:
            await imap.live()
        finally:
            self._crowd.leave(connection.peer_host)
            self._open.discard(imap)
            await imap.leave()

    async def end_at_drain(
        self, draining: asyncio.Event, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Wait for SIGTERM, then send those away that only wait, one after the other: they will all come back, to others
        of us, which had better not meet them all at once. Those that have a command under way end after it.
        """
        await draining.wait()
        waiting = list(self._open)
        seconds = min(self._needs.settings.drain_seconds * PART_OF_DRAIN, len(waiting) * FAREWELL_SECONDS)
        for start in range(0, len(waiting), group := max(1, len(waiting) // FAREWELLS)):
            for imap in waiting[start : start + group]:
                imap.end_if_idle()
            await sleep(seconds * group / len(waiting))


class Imap:
    """One connection's life."""

    def __init__(self, connection: Connection, needs: Needs, by_account: dict[str, int]) -> None:
        self._needs = needs
        self._log = needs.log.bind(connection=connection.id, peer_host=connection.peer_host)
        self._wire = Wire(connection, needs.settings, needs.new_long_text)
        self._entrance = Entrance(
            self._wire, needs.settings, needs.directory, needs.tls, by_account, self._log
        )
        self._session = self._new_session()
        self._listening: Listening | None = None
        # To the owners of mailboxes of others that are selected or watched.
        self._overhearing: dict[AccountRef, Listening] = {}
        self._woken = asyncio.Event()
        # On the loop's clock.
        self._looked_at = 0.0
        self._errors = 0

    def _new_session(self) -> Session:
        settings = self._needs.settings
        return Session(
            self._needs.store,
            self._wire.say,
            append_octets=settings.append_octets,
            progress=Progress(
                self._wire.notice, asyncio.get_running_loop().call_later, settings.progress_seconds
            ),
            limits=limits_of(settings),
            utf8=Utf8(settings.utf8),
            people=self._needs.people,
            new_long_text=self._needs.new_long_text,
            hostname=settings.hostname,
            policies=self._needs.policies,
            filler=self._needs.filler,
            scripted=self._needs.scripted,
            opened=self._needs.opened,
            submitters=settings.submitters(),
        )

    def end_if_idle(self) -> None:
        """At the drain: tell a client that is silent, and close."""
        self._wire.end_if_idle()

    async def live(self) -> None:
        """Until the client or we have had enough."""
        try:
            await self._entrance.enter_at_once()
            await self._entered()
            status = "OK" if self._session.who is None else "PREAUTH"
            words = self._entrance.capabilities()
            await self._wire.say(responses.untagged(status, "Posthouse is ready", f"CAPABILITY {words}"))
            while True:
                await self._one()
        except Over:
            return

    def _text(self, text: str) -> str:
        return translated(text, self._session.language)

    async def _language(self, command: c.Language) -> Answer:
        """LANGUAGE (RFC 5255 §3.2), in any state; the answer is in the new language already."""
        if not command.ranges:
            await self._wire.say(f"* LANGUAGE ({' '.join(LANGUAGES)})\r\n".encode())
            return ok("LANGUAGE completed")
        found = chosen(command.ranges, self._needs.settings.language)
        if found is None:
            raise No("That language is not spoken here")
        self._session.speak(found)
        self._wire.language = found
        await self._wire.say(f"* LANGUAGE ({found})\r\n".encode())
        if self._session.who is not None:
            await self._wire.say(namespaces(self._session))
        return ok("LANGUAGE completed")

    async def _entered(self) -> None:
        """Where somebody has come in: whose session it is."""
        if self._entrance.who is not None:
            self._session.who = self._entrance.who
            self._listening = await self._needs.changes.listen(
                self._session.account, self._told, self._renewed
            )

    async def leave(self) -> None:
        """Let go of what the session holds."""
        if self._listening is not None:
            await self._listening.stop()
            self._listening = None
        try:
            await self._overhear(())
            self._wire.leave()
        finally:
            # Whatever else went wrong: the account's place is free.
            self._entrance.leave()

    async def _overhear(self, owners: Collection[AccountRef]) -> None:
        """Hear of changes in the mailboxes of these accounts, and of no others beside one's own."""
        for owner in [each for each in self._overhearing if each not in owners]:
            await self._overhearing.pop(owner).stop()
        for owner in owners:
            if owner not in self._overhearing:
                self._overhearing[owner] = await self._needs.changes.listen(owner, self._told)
                # What changed since the mailbox was looked at.
                self._woken.set()

    async def _unauthenticate(self) -> Answer:
        """Nothing is left of the session but its TLS (RFC 8437 §3)."""
        if self._needs.settings.unauthenticate == "off":
            raise Bad("There is no such command", "")
        if self._wire.is_compressed:
            # Where our octets and the client's would change over cannot be told apart from what follows.
            await self._wire.end("Connect anew: a compressed connection is not used again")
        await self.leave()
        self._session = self._new_session()
        self._woken.clear()
        self._wire.distrust()
        self._wire.language = DEFAULT
        return ok("UNAUTHENTICATE completed")

    async def _one(self) -> None:
        """Wait for one command and do it."""
        # Also for lines and octets that are answered with nothing, of which a compressed kilobyte may hold a million.
        await self._session.turns.give_way()
        while (event := self._wire.event_at_hand()) is None:
            await self._session.turns.give_way()
            if self._session.watch is None or not self._wire.is_between_commands:
                await self._wire.read(self._at_once)
            else:
                await octets_or_news(
                    self._wire,
                    self._woken,
                    lambda: tell_unasked(self._session),
                    self._needs.settings.poll_seconds,
                )
        match event:
            case r.Go():
                await self._wire.say(b"+ Go ahead\r\n")
            case r.Whole():
                tagged, apart = await self._parsed(event), event.apart
                # A message that is appended is held once from here on.
                del event
                try:
                    if tagged is not None:
                        await self._run(tagged)
                finally:
                    for each in apart:
                        each.close()
            case r.Refused():
                status, code = ("NO", "TOOBIG") if event.is_too_big else ("BAD", "LIMIT")
                await self._wire.say(responses.tagged(event.tag, status, self._text(event.text), code))
                await self._count_error()
            case r.Broken():
                await self._wire.end(event.text)
            case _:
                assert_never(event)

    def _at_once(self, data: bytes) -> bytes | None:
        """The answer to a command that needs nothing but what is at hand."""
        if self._may_have_changed():
            return None
        started = time.perf_counter()
        answer = at_once.answer(self._session, data)
        if answer is not None:
            metrics.commands("fetch", "OK").inc()
            metrics.command_seconds("fetch").observe(time.perf_counter() - started)
        return answer

    async def _parsed(self, whole: r.Whole) -> c.Tagged | None:
        """The command, or None where the refusal has been said already."""
        octets = whole.octets
        if not octets:
            return None
        try:
            return parse(octets, self._session.dialect, whole.apart)
        except CommandInvalid as error:
            await self._wire.say(responses.tagged(error.tag, "BAD", str(error), error.code))
            await self._count_error()
        except CharsetUnknown as error:
            if error.saves:
                self._session.saved = ()
            tag = octets.split(b" ", 1)[0].decode("ascii", "replace")
            status = "BAD" if error.is_bad else "NO"
            await self._wire.say(
                responses.tagged(
                    tag, status, self._text("That charset is not known"), "BADCHARSET (UTF-8 US-ASCII)"
                )
            )
        return None

    async def _run(self, tagged: c.Tagged) -> None:
        started = time.perf_counter()
        self._session.progress.begin(tagged.command, tagged.tag)
        try:
            answer = await self._do(tagged.command, tagged.tag)
        finally:
            self._session.progress.end()
        await self._overhear(self._session.owners)
        name = _name(tagged.command)
        metrics.commands(name, answer.status).inc()
        metrics.command_seconds(name).observe(time.perf_counter() - started)
        if answer.status == "OK" and self._session.who is not None:
            answer = await self._tell_changes(tagged.command, answer)
        await self._wire.say(
            responses.tagged(tagged.tag, answer.status, self._text(answer.text), answer.code)
        )
        if answer.status == "BAD":
            await self._count_error()
        if tagged.command is c.Plain.LOGOUT:
            raise Over
        if isinstance(tagged.command, c.Compress) and answer.status == "OK":
            self._wire.compress()
        if tagged.command is c.Plain.STARTTLS and answer.status == "OK":
            assert self._needs.tls is not None
            await self._wire.start_tls(self._needs.tls)

    async def _count_error(self) -> None:
        self._errors += 1
        if self._errors > self._needs.settings.errors:
            await self._wire.end("Too many errors")

    async def _tell_changes(self, command: c.Command, answer: Answer) -> Answer:
        """What others changed meanwhile is told before the tagged answer."""
        session = self._session
        if isinstance(command, c.Select):
            # It has described the mailbox; whether that was all there is (`_woken`), the next command asks.
            self._looked_at = asyncio.get_running_loop().time()
            return answer
        may_expunge = dispatch.may_expunge(command)
        try:
            if session.is_stale or self._may_have_changed():
                self._woken.clear()
                self._looked_at = asyncio.get_running_loop().time()
                await session.look()
                await tell_others(session)
            await tell_news(session, may_expunge)
            await contexts.tell(session)
        except NOT_NOW:
            session.is_stale = True
        selected = session.selected
        if selected is None or not selected.view.hides_expunged:
            return answer
        # Messages are gone that could not be said to be: who resynchronises must not take what it was told for all
        # there is (RFC 7162 §3.2), and everybody should ask again (RFC 5530 §3).
        if session.highest_told:
            await self._wire.say(session.untagged("OK", "Some expunges are to follow", session.highest_told))
        return answer if answer.code else replace(answer, code="EXPUNGEISSUED")

    def _may_have_changed(self) -> bool:
        """Something was heard of, or might have been missed: nothing is heard now, or nobody has looked for a while."""
        if self._woken.is_set() or not self._needs.changes.hears:
            return True
        since = asyncio.get_running_loop().time() - self._looked_at
        return since >= self._needs.settings.poll_seconds

    async def _do(self, command: c.Command, tag: str) -> Answer:
        """How it ended, whatever happened: refusals, our troubles and our bugs are answers too."""
        try:
            return await self._try(command, tag)
        except No as error:
            return Answer("NO", str(error), error.code)
        except MailboxNameInvalid as error:
            return Answer("NO", str(error), "CANNOT")
        except Bad as error:
            return Answer("BAD", str(error), error.code)
        except QuotaExceeded as error:
            return Answer("NO", OVER_QUOTA.get(str(error), OVER_QUOTA["account"]), "OVERQUOTA")
        except StoreUnavailable as error:
            self._log.warning("command_postponed", command=_name(command), error=str(error))
            return Answer("NO", "That cannot be done now, try again later", "UNAVAILABLE")
        except BodyShredded as error:
            self._log.info("body_shredded", command=_name(command), reason=str(error))
            return Answer("NO", "The key that the message was encrypted with was deleted", "CONTACTADMIN")
        except BodyCorrupt as error:
            self._log.error("body_corrupt", command=_name(command), error=str(error))
            return Answer("NO", "The message is damaged in our storage", "CORRUPTION")
        except CutShort as error:
            self._log.error("answer_cut_short", command=_name(command), error=str(error))
            raise
        except (ConnectionError, Over):
            raise
        except Exception:
            self._log.exception("command_failed", command=_name(command))
            return Answer("NO", "Something went wrong here; it has been logged", "SERVERBUG")

    async def _try(self, command: c.Command, tag: str) -> Answer:
        match command:
            case c.Plain.CAPABILITY:
                await self._wire.say(f"* CAPABILITY {self._entrance.capabilities()}\r\n".encode())
                return ok("CAPABILITY completed")
            case c.Plain.LOGOUT:
                await self._wire.say(self._session.untagged("BYE", "Goodbye"))
                return ok("LOGOUT completed")
            case c.Language():
                return await self._language(command)
        if self._session.who is None:
            answer = await self._entrance.do(command)
            await self._entered()
            return answer
        if command is c.Plain.UNAUTHENTICATE:
            return await self._unauthenticate()
        if command is c.Plain.IDLE:
            return await idle(self._wire, self._session, self._woken, self._needs.settings.poll_seconds)
        if isinstance(command, c.Compress):
            if command.algorithm != "DEFLATE":
                raise Bad("That algorithm is not known", "")
            if self._wire.is_compressed:
                raise No("The connection is compressed already", "COMPRESSIONACTIVE")
            return ok("DEFLATE from now on")
        await self._session.check_rights()
        return await dispatch.run(self._session, command, tag)

    def _renewed(self, mailbox_id: int) -> None:
        """The account's key of a mailbox; not by this session, which has said so itself."""
        selected = self._session.selected
        if self._session.own_renewals:
            self._session.own_renewals -= 1
            return
        if selected is None or mailbox_id not in (0, selected.mailbox_id):
            return
        self._session.tells_keys = True
        self._woken.set()

    def _told(self, mailbox_id: int, modseq: int) -> None:
        selected = self._session.selected
        # While none is selected one may be about to be: its snapshot may be older than this.
        if self._session.watch_of_others is not None or selected is None or mailbox_id == 0:
            self._woken.set()
        elif mailbox_id == selected.mailbox_id and not 0 < modseq <= selected.view.highest_modseq:
            # Else it is what this session has done itself, or has looked at.
            self._woken.set()


def _name(command: c.Command) -> str:
    if isinstance(command, c.Plain):
        return command.value.lower()
    return type(command).__name__.lower()
