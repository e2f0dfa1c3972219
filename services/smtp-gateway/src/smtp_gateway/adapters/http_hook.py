"""An HTTP hook: a POST with JSON for each stage, a JSON answer (RFC 9110, RFC 8259).

The question: {"stage", "door", "client": {"address", "port", "name", "tls_version"}, "login", "helo", "sender", "recipient" or
"recipients", and at the stage "data" "size_octets", "fields": [[name, value], ...] and, where it is wanted, "content" in
base64}. The answer: {"action": "continue" (or no body at all), "accept", "reject", "defer", "discard" or "quarantine", "code",
"text", "add_fields": [[name, value], ...]}. Only at the stage "data" are there quarantine and fields to add.
"""

import asyncio
import base64
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

import h11
from mailmsg.header import fields, header_end, unfold

from smtp_gateway.core.hooks import (
    FIELDS_MOST,
    GO,
    Act,
    HookFailed,
    Message,
    Outcome,
    Peer,
    Verdict,
    refusal,
)

ANSWER_OCTETS = 256 * 1024
READ_OCTETS = 64 * 1024


class HttpHook:
    """Satisfies ports.Hook."""

    def __init__(
        self, name: str, url: str, stages: frozenset[str], seconds: float, token: str, *, content: bool
    ) -> None:
        """`token` goes into Authorization, where there is one. Raises ValueError on what is no URL."""
        self.name = name
        self.stages = stages
        self.content = content
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname or not url.isascii():
            raise ValueError(f"{url!r} is no http(s)://host[:port]/path")
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._host = place.hostname
        self._port = place.port or (443 if self._tls else 80)
        self._target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        self._authority = place.netloc.rpartition("@")[2]
        self._seconds = seconds
        self._token = token

    def session(self) -> "HttpHookSession":
        """Keeps what the client said so far."""
        return HttpHookSession(self)

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One stage. Raises HookFailed."""
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._post(json.dumps(question).encode())
            answer = json.loads(body) if body.strip() else {}
        except (OSError, TimeoutError, h11.ProtocolError, ValueError, RecursionError) as error:
            raise HookFailed(str(error) or "it gave no answer in time") from error
        if not isinstance(answer, dict):
            raise HookFailed("its answer is no JSON object")
        return answer

    async def _post(self, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=READ_OCTETS)
            headers = [
                ("Host", self._authority),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            if self._token:
                headers.append(("Authorization", f"Bearer {self._token}"))
            for event in (
                h11.Request(method="POST", target=self._target, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await _answer(connection, reader)
        finally:
            writer.transport.abort()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    pieces: list[bytes] = []
    octets = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_OCTETS))
        elif isinstance(event, h11.Response):
            if event.status_code not in (200, 204):
                raise HookFailed(f"it answers {event.status_code}")
        elif isinstance(event, h11.Data):
            pieces.append(bytes(event.data))
            octets += len(event.data)
            if octets > ANSWER_OCTETS:
                raise HookFailed(f"its answer is longer than {ANSWER_OCTETS} octets")
        elif isinstance(event, h11.EndOfMessage):
            return b"".join(pieces)
        elif not isinstance(event, h11.InformationalResponse):
            raise HookFailed("it broke off")


class HttpHookSession:
    """Satisfies ports.HookSession."""

    def __init__(self, hook: HttpHook) -> None:
        self._hook = hook
        self._known: dict[str, Any] = {}

    async def connect(self, peer: Peer) -> Verdict:
        self._known = _peer(peer)
        return await self._stage("connect")

    async def mail(self, peer: Peer, helo: str, sender: str) -> Verdict:
        self._known = _peer(peer) | {"helo": helo, "sender": sender}
        return await self._stage("mail")

    async def rcpt(self, recipient: str) -> Verdict:
        return await self._stage("rcpt", {"recipient": recipient})

    async def message(self, message: Message) -> Outcome:
        if "data" not in self._hook.stages:
            return Outcome()
        content = message.content
        header = content[: header_end(content) or len(content)]
        more: dict[str, Any] = {
            "recipients": list(message.recipients),
            "size_octets": len(content),
            "fields": [
                [_text(each.name.strip()), _text(unfold(each.value).strip())] for each in fields(header)
            ],
        }
        if self._hook.content:
            more["content"] = base64.b64encode(content).decode()
        answer = await self._hook.ask({"stage": "data"} | self._known | more)
        return Outcome(
            _verdict(answer), added=_added(answer), quarantined=answer.get("action") == "quarantine"
        )

    async def forget(self) -> None:
        return

    async def close(self) -> None:
        return

    async def _stage(self, stage: str, more: dict[str, Any] | None = None) -> Verdict:
        if stage not in self._hook.stages:
            return GO
        return _verdict(await self._hook.ask({"stage": stage} | self._known | (more or {})))


def _peer(peer: Peer) -> dict[str, Any]:
    client = {
        "address": peer.address,
        "port": peer.port,
        "name": peer.name,
        "tls_version": peer.tls_version,
    }
    return {"door": peer.door, "client": client, "login": peer.login}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _verdict(answer: dict[str, Any]) -> Verdict:
    text = str(answer.get("text", ""))
    code = answer.get("code")
    number = code if isinstance(code, int) else 0
    match answer.get("action", "continue"):
        case "continue" | "quarantine":
            return GO
        case "accept":
            return Verdict(Act.ACCEPT)
        case "discard":
            return Verdict(Act.DISCARD)
        case "reject":
            return Verdict(Act.REFUSE, refusal(number if 500 <= number <= 599 else 550, text))
        case "defer":
            return Verdict(Act.REFUSE, refusal(number if 400 <= number <= 499 else 451, text))
    raise HookFailed(f"an action that nobody knows: {str(answer.get('action'))[:40]!r}")


def _added(answer: dict[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    try:
        added = tuple(
            (str(name).encode(), str(value).encode()) for name, value in answer.get("add_fields", ())
        )
    except (TypeError, ValueError) as error:
        raise HookFailed("its fields cannot be read") from error
    if len(added) > FIELDS_MOST:
        raise HookFailed("too many fields")
    return added
