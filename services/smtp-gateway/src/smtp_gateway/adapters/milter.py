"""A milter as a hook: one connection to it for each of our sessions, each step under the time limit.

Steps that the milter answers are waited for, others go out with the next. Its headers come with LF between folded lines.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, assert_never

from mailmsg.header import fields, header_end
from mailproto.milter.answers import (
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    Decision,
    InsertHeader,
    Progress,
    Quarantine,
    RemoveRecipient,
    ReplyCode,
)
from mailproto.milter.client import MilterClient, Step
from mailproto.milter.packets import MilterBroken

from smtp_gateway.core.hooks import (
    FIELDS_MOST,
    GO,
    Act,
    FieldChange,
    HookFailed,
    Message,
    Outcome,
    Peer,
    Verdict,
    refusal,
)

READ_OCTETS = 64 * 1024
# All together: what a milter says is kept until the message's end.
CHANGES_MOST, CHANGES_OCTETS = 1000, 4 << 20
T = TypeVar("T")
CHANGES = AddHeader | InsertHeader | ChangeHeader | AddRecipient | RemoveRecipient | Quarantine


class Milter:
    """Satisfies ports.Hook."""

    def __init__(self, name: str, host: str, port: int, path: str, seconds: float) -> None:
        """With a `path` it is a UNIX socket's."""
        self.name = name
        self._host, self._port, self._path = host, port, path
        self._seconds = seconds

    def session(self) -> "MilterSession":
        """A connection is made when the first thing is asked."""
        return MilterSession(self._host, self._port, self._path, self._seconds)


class MilterSession:
    """Satisfies ports.HookSession."""

    def __init__(self, host: str, port: int, path: str, seconds: float) -> None:
        self._host, self._port, self._path = host, port, path
        self._seconds = seconds
        self._client = MilterClient()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._macros: dict[str, str] = {}
        self._helo: str | None = None

    async def connect(self, peer: Peer) -> Verdict:
        await self._within(self._open())
        step = self._client.connect(
            peer.name,
            peer.address,
            peer.port,
            {"j": peer.hostname, "daemon_name": peer.door, "v": "Posthouse"},
        )
        return _verdict(await self._within(self._ask(step)))

    async def mail(self, peer: Peer, helo: str, sender: str) -> Verdict:
        if helo != self._helo:
            tls = {"tls_version": peer.tls_version, "cipher": peer.tls_cipher} if peer.tls_version else {}
            verdict = _verdict(await self._within(self._ask(self._client.helo(helo, tls))))
            if verdict.act is not Act.GO:
                return verdict
            self._helo = helo
        self._macros = {"i": peer.connection, "mail_addr": sender}
        if peer.login:
            self._macros |= {"auth_authen": peer.login, "auth_type": "login"}
        return _verdict(await self._within(self._ask(self._client.mail(sender, [], self._macros))))

    async def rcpt(self, recipient: str) -> Verdict:
        step = self._client.rcpt(recipient, {"rcpt_addr": recipient})
        return _verdict(await self._within(self._ask(step)))

    async def message(self, message: Message) -> Outcome:
        return await self._within(self._message(message))

    async def _message(self, message: Message) -> Outcome:
        client = self._client
        end = header_end(message.content)
        header = message.content if end is None else message.content[:end]
        steps = [client.data(self._macros)]
        steps += [
            client.header(each.name.strip(), each.value.removesuffix(b"\r\n")) for each in fields(header)
        ]
        steps.append(client.end_of_header())
        for step in steps:
            verdict = _verdict(await self._ask(step))
            if verdict.act is not Act.GO:
                return Outcome(verdict)
        if end is not None:
            for step in client.body(message.content[end:]):
                answer = await self._ask(step)
                if answer is Decision.SKIP:
                    break
                verdict = _verdict(answer)
                if verdict.act is not Act.GO:
                    return Outcome(verdict)
        changes: list[CHANGES] = []
        octets_left = CHANGES_OCTETS
        answer = await self._ask(client.end(self._macros))
        while isinstance(answer, CHANGES):
            changes.append(answer)
            octets_left -= _octets_of(answer)
            if len(changes) > CHANGES_MOST or octets_left < 0:
                raise MilterBroken("changes without end")
            answer = await self._answer()
        return _outcome(_verdict(answer), changes)

    async def forget(self) -> None:
        if self._writer is not None:
            self._writer.write(self._client.abort())

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.write(self._client.quit())
            self._writer.close()
            self._writer = None

    async def _open(self) -> None:
        if self._path:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        else:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(self._client.negotiate())
        while not self._client.is_ready:
            await self._more()

    async def _ask(self, step: Step) -> Answer:
        """The answer to a step; to go on where none is given."""
        if step.octets:
            if self._writer is None:
                raise MilterBroken("the connection is gone")
            self._writer.write(step.octets)
            await self._writer.drain()
        return await self._answer() if step.is_answered else Decision.CONTINUE

    async def _answer(self) -> Answer:
        while True:
            answer = self._client.answer()
            if answer is None:
                await self._more()
            elif not isinstance(answer, Progress):
                return answer

    async def _more(self) -> None:
        assert self._reader is not None
        data = await self._reader.read(READ_OCTETS)
        if not data:
            raise MilterBroken("it closed the connection")
        self._client.feed(data)

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """Work with the milter, within its time. Raises HookFailed; the connection is of no use then."""
        try:
            async with asyncio.timeout(self._seconds):
                return await work
        except (MilterBroken, OSError, TimeoutError) as error:
            if self._writer is not None:
                self._writer.transport.abort()
                self._writer = None
            raise HookFailed(str(error) or "it gave no answer in time") from error


def _verdict(answer: Answer) -> Verdict:
    match answer:
        case Decision.CONTINUE | Decision.SKIP:
            return GO
        case Decision.ACCEPT:
            return Verdict(Act.ACCEPT)
        case Decision.DISCARD:
            return Verdict(Act.DISCARD)
        case Decision.REJECT:
            return Verdict(Act.REFUSE, refusal(550, "5.7.1 Refused by a check"))
        case Decision.TEMPFAIL:
            return Verdict(Act.REFUSE, refusal(451, "4.7.1 Refused for now by a check"))
        case Decision.CONNECTION_FAILED | Decision.SHUTDOWN:
            return Verdict(Act.REFUSE, refusal(421, "4.7.0 Refused for now by a check"))
        case ReplyCode():
            return Verdict(Act.REFUSE, refusal(answer.code, answer.text))
        case Progress():
            return GO
        case _:
            raise MilterBroken("it changes what is not there yet")


def _outcome(verdict: Verdict, changes: list[CHANGES]) -> Outcome:
    """Added fields in order: those for the front first."""
    added: list[tuple[bytes, bytes]] = []
    changed: list[FieldChange] = []
    recipients: tuple[list[str], list[str]] = [], []
    quarantined = False
    for change in changes:
        match change:
            case AddHeader():
                added.append((_octets(change.name), _octets(change.value)))
            case InsertHeader():
                added.insert(min(change.index, len(added)), (_octets(change.name), _octets(change.value)))
            case ChangeHeader():
                changed.append(FieldChange(_octets(change.name), change.index, _octets(change.value)))
            case AddRecipient():
                recipients[0].append(_bare(change.address))
            case RemoveRecipient():
                recipients[1].append(_bare(change.address))
            case Quarantine():
                quarantined = True
            case _:
                assert_never(change)
    if len(added) > FIELDS_MOST:
        raise MilterBroken("too many fields")
    return Outcome(
        verdict, tuple(added), tuple(changed), tuple(recipients[0]), tuple(recipients[1]), quarantined
    )


def _octets_of(change: CHANGES) -> int:
    match change:
        case AddHeader() | InsertHeader() | ChangeHeader():
            return len(change.name) + len(change.value)
        case AddRecipient() | RemoveRecipient():
            return len(change.address)
        case Quarantine():
            return len(change.reason)
        case _:
            assert_never(change)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _bare(address: str) -> str:
    return address.strip().removeprefix("<").removesuffix(">")
