"""Running Sieve scripts for a message: a tenant's, the user's own, a tenant's again; with what they ask of the world.

Nothing is changed here: what comes out is what is to be done. A script that is broken is left out of its chain.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import assert_never

from blobstore import BlobStore
from mailmodel import AccountRef
from mailmodel.mailbox_name import MailboxNameInvalid
from mailstore import ActiveScripts, MailStore, ScriptMissing
from mailstore.tenant_scripts import AFTER, BEFORE
from servicekit import logs
from sieve import (
    Notebook,
    Program,
    Received,
    ScriptError,
    Situation,
    Stage,
    Unanswered,
    compile_script,
    run_chain,
)
from sieve.actions import Keep, Outcome
from sieve.errors import Place
from sieve.offered import AT_EVENTS, OFFERED
from sieve.scripts import Location, ScriptNamed
from sieve.world import (
    BodyWanted,
    ListContains,
    ListExists,
    MailboxExists,
    MailboxIdExists,
    Metadata,
    Question,
    SeenBefore,
    SpecialUseExists,
)
from spool import SpooledLetter

from mda import metrics
from mda.core.sieving import memory_handle
from mda.edge.bodies import whole
from mda.edge.ext_lists import ExtLists

LOG = logs.logger("mda.running")
PROGRAMS_KEPT = 500
# Of their scripts together: a program may take a hundred times as much memory.
PROGRAMS_KEPT_OCTETS = 8 * 1024 * 1024
# A run begins again with each answer: so many mailboxes, scripts and ids may one chain ask for.
MOST_QUESTIONS = 100
# RFC 5490 §4.1: annotations of the server are those of the account.
OF_ACCOUNT = 0
OWN = ""
# How the names of a tenant's scripts begin in the places of what they do.
OF_TENANT = "tenant's "


@dataclass(frozen=True, slots=True)
class Input:
    """A message as scripts see it; its body is fetched where a script looks into it.

    `name`: the same when it comes again, and of no other message.
    """

    header: bytes
    size_octets: int
    body: Callable[[], Awaitable[bytes]]
    name: str = ""


class Running:
    """Compiled scripts, remembered by their digest."""

    def __init__(self, mailboxes: MailStore, blobs: BlobStore, lists: ExtLists) -> None:
        self._mailboxes = mailboxes
        self.lists = lists
        self._blobs = blobs
        # By the digest of the script, with its octets.
        self._programs: OrderedDict[bytes, tuple[Program | ScriptError, int]] = OrderedDict()
        self._octets = 0

    async def header(self, letter: SpooledLetter) -> bytes:
        """The header as received. Raises BlobUnavailable."""
        if letter.facts.header:
            return letter.facts.header
        body = letter.body
        return await self._blobs.get_range(
            body.object_key, body.offset, min(body.length, letter.facts.header_octets)
        )

    async def content(self, letter: SpooledLetter) -> bytes:
        """The message as received: what is sent on, or stored anew, is that and nothing else.

        Raises BlobUnavailable, BlobMissing, BlobAltered.
        """
        return await whole(self._blobs, letter.body)

    async def stages(self, account: AccountRef, scripts: ActiveScripts) -> list[Stage]:
        """What runs for an account, in its order. Raises StoreUnavailable."""
        wanted = ((BEFORE, scripts.before), (OWN, scripts.own), (AFTER, scripts.after))
        found = []
        for name, digest in wanted:
            if digest is not None and (program := await self._program(account, name, digest)) is not None:
                found.append(Stage(OF_TENANT + name if name else "", program))
        return found

    async def at_event(self, account: AccountRef, name: str) -> Stage | None:
        """A user's script that runs at events of IMAP (RFC 6785); None where there is none that can be run."""
        try:
            content = await self._mailboxes.scripts.get(account, name)
        except ScriptMissing:
            return None
        digest = b"at events " + sha256(content).digest()
        known = self._known(digest) or self._kept(digest, await compiled(content, AT_EVENTS), len(content))
        if isinstance(known, ScriptError):
            metrics.SCRIPTS.labels("broken").inc()
            LOG.info("script_broken", account_id=account.account_id, script=name, reason=str(known))
            return None
        return Stage("", known)

    def _known(self, digest: bytes) -> Program | ScriptError | None:
        found = self._programs.get(digest)
        if found is None:
            return None
        self._programs.move_to_end(digest)
        return found[0]

    def _kept(self, digest: bytes, program: Program | ScriptError, octets: int) -> Program | ScriptError:
        self._octets += octets - self._programs.pop(digest, (program, 0))[1]
        self._programs[digest] = (program, octets)
        while len(self._programs) > 1 and (
            len(self._programs) > PROGRAMS_KEPT or self._octets > PROGRAMS_KEPT_OCTETS
        ):
            self._octets -= self._programs.popitem(last=False)[1][1]
        return program

    async def _program(self, account: AccountRef, name: str, digest: bytes) -> Program | None:
        """Compiled; None where it cannot be run any more."""
        known = self._known(digest)
        if known is None:
            content = await self._active(account, name)
            if content is None:
                return None
            # It may be another one by now, and others have the one that it was.
            digest = sha256(content).digest()
            known = self._known(digest) or self._kept(digest, await compiled(content), len(content))
        if isinstance(known, ScriptError):
            metrics.SCRIPTS.labels("broken").inc()
            LOG.info("script_broken", account_id=account.account_id, script=name, reason=str(known))
            return None
        return known

    async def _active(self, account: AccountRef, name: str) -> bytes | None:
        if name == OWN:
            return await self._mailboxes.scripts.active(account)
        try:
            return (await self._mailboxes.tenant_scripts.get(account.tenant_id, name))[1]
        except ScriptMissing:
            return None

    async def run(
        self, account: AccountRef | None, stages: list[Stage], message: Input, situation: Situation
    ) -> Outcome:
        """What the chain asks for; without an account there are no mailboxes but INBOX, and no other scripts."""
        notebook, body, owner, spent = Notebook(), None, owner_of(situation), 0.0
        # Of the thread that runs it: a busy machine is no reason for a script to fail.
        situation = replace(situation, clock=time.thread_time)
        # What is included may use what the first may.
        available = stages[0].program.available if stages else OFFERED

        def once(received: Received) -> Outcome:
            # All runs together have the time of one, or each question would win a script as much again.
            nonlocal spent
            begun = time.thread_time()
            try:
                return run_chain(stages, received, replace(situation, spent_seconds=spent), notebook)
            finally:
                spent += time.thread_time() - begun

        for _ in range(MOST_QUESTIONS):
            received = Received(message.header, body, message.size_octets)
            try:
                return await asyncio.to_thread(once, received)
            except Unanswered as open_question:
                question = open_question.question
                if isinstance(question, BodyWanted):
                    body = await message.body()
                else:
                    spent += await self._answer(account, owner, message.name, question, notebook, available)
        LOG.info("script_asked_too_much", account_id=account.account_id if account is not None else "")
        return Outcome((Keep(Place(0)),), (), (), None, 0)

    async def _answer(
        self,
        account: AccountRef | None,
        owner: str,
        message: str,
        question: Question,
        notebook: Notebook,
        available: frozenset[str],
    ) -> float:
        """Written down; gives the seconds that the script is to pay for: what it includes is compiled for it."""
        match question:
            case BodyWanted():
                raise AssertionError("the body is no answer in the notebook")
            case ScriptNamed(location, name):
                notebook.scripts[question], seconds = (
                    (None, 0.0) if account is None else await self._named(account, location, name, available)
                )
                return seconds
            case Metadata(mailbox, entry):
                notebook.annotations[question] = (
                    None if account is None else await self._annotation(account, mailbox, entry)
                )
            case MailboxExists(name) if account is None:
                notebook.yes_or_no[question] = name.upper() == "INBOX"
            case _ if account is None:
                notebook.yes_or_no[question] = False
            case MailboxExists(name):
                notebook.yes_or_no[question] = await self.mailbox(account, name) is not None
            case MailboxIdExists(object_id):
                notebook.yes_or_no[question] = await self.mailbox_of_id(account, object_id) is not None
            case SpecialUseExists(mailbox, attribute):
                found = await self._mailboxes.list_mailboxes(account)
                notebook.yes_or_no[question] = any(
                    attribute.lower() in {use.lower() for use in each.special_use}
                    and mailbox in (None, each.name)
                    for each in found
                )
            case SeenBefore(handle, unique_id, _):
                notebook.yes_or_no[question] = await self._seen_before(account, handle, unique_id, message)
            case ListExists(name):
                notebook.yes_or_no[question] = await self.lists.exists(account, owner, name)
            case ListContains(name, value):
                notebook.yes_or_no[question] = await self.lists.contains(account, owner, name, value)
            case _:
                assert_never(question)
        return 0.0

    async def _seen_before(self, account: AccountRef, handle: str, unique_id: bytes, message: str) -> bool:
        """What this message noted itself, in a try that was not its last, does not count (RFC 7352 §3)."""
        remembers = self._mailboxes.scripts.remembers
        return await remembers(account, memory_handle("seen", handle, unique_id)) and not await remembers(
            account, memory_handle("seen first", handle, unique_id, message)
        )

    async def _named(
        self, account: AccountRef, location: Location, name: str, available: frozenset[str]
    ) -> tuple[Program | ScriptError | None, float]:
        try:
            if location is Location.PERSONAL:
                content = await self._mailboxes.scripts.get(account, name)
            else:
                content = (await self._mailboxes.tenant_scripts.get(account.tenant_id, name))[1]
        except ScriptMissing:
            return None, 0.0
        return await asyncio.to_thread(_compiled_in, content, available)

    async def _annotation(self, account: AccountRef, mailbox: str | None, entry: str) -> str | None:
        mailbox_id = OF_ACCOUNT
        if mailbox is not None:
            try:
                found = await self._mailboxes.get_mailbox(account, mailbox)
            except MailboxNameInvalid:
                return None
            if found is None:
                return None
            mailbox_id = found.mailbox_id
        value = (await self._mailboxes.get_annotations(account, mailbox_id)).get(entry.lower())
        return None if value is None else value.decode("utf-8", "replace")

    async def mailbox(self, account: AccountRef, name: str) -> str | None:
        """A mailbox's name as the store has it."""
        try:
            found = await self._mailboxes.get_mailbox(account, name)
        except MailboxNameInvalid:
            return None
        return None if found is None else found.name

    async def mailbox_of_id(self, account: AccountRef, object_id: str) -> str | None:
        """The name of the mailbox with this MAILBOXID (RFC 8474), which IMAP shows as F and a number."""
        for each in await self._mailboxes.list_mailboxes(account):
            if object_id == f"F{each.mailbox_id}":
                return each.name
        return None


def owner_of(situation: Situation) -> str:
    """The address of the script's owner, without a detail."""
    return next(iter(situation.own_addresses), situation.forward_path)


async def compiled(content: bytes, available: frozenset[str] = OFFERED) -> Program | ScriptError:
    """In a thread: a large script must not hold up other mail."""
    return (await asyncio.to_thread(_compiled_in, content, available))[0]


def _compiled_in(content: bytes, available: frozenset[str]) -> tuple[Program | ScriptError, float]:
    """With the seconds that it took."""
    begun = time.thread_time()
    try:
        made: Program | ScriptError = compile_script(content, available=available)
    except ScriptError as error:
        made = error
    return made, time.thread_time() - begun
