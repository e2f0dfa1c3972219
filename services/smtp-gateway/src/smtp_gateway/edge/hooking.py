"""The operator's hooks, in turn, of one session: what each says is done, and what none says goes on.

A hook that gives no usable answer is left out, or answers 451 for all, as the operator chose for it; one that could not be
reached is not tried again in this session.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core.hooks import (
    AWAY,
    GO,
    Act,
    HookFailed,
    Message,
    Outcome,
    Peer,
    Verdict,
    added_field,
    change_fields,
)
from smtp_gateway.ports import Hook, HookSession

LOG = logs.logger("smtp_gateway.hooking")


@dataclass(frozen=True, slots=True)
class Hooked:
    """A hook, and what the operator chose for it."""

    hook: Hook
    doors: frozenset[str]
    when_away: Literal["refuse", "accept"]


@dataclass
class _Asked:
    """One hook in one session. `done`: it wants to hear nothing more, of this message or of all."""

    hooked: Hooked
    session: HookSession
    done_with_message: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """What all hooks together say of a message. `reply` refuses it, or, where it is positive, throws it away."""

    reply: Reply | None = None
    added: bytes = b""
    content: bytes = b""
    added_recipients: tuple[str, ...] = ()
    removed_recipients: tuple[str, ...] = ()
    quarantined: bool = False


class Hooking:
    """One session's."""

    def __init__(self, hooks: Sequence[Hooked], door: str) -> None:
        self._all = [_Asked(each, each.hook.session()) for each in hooks if door in each.doors]
        self._discards = False

    async def connect(self, peer: Peer) -> Reply | None:
        """Why the client is sent away."""
        return await self._each("connect", lambda session: session.connect(peer), is_of_message=False)

    async def mail(self, peer: Peer, helo: str, sender: str) -> Reply | None:
        """Why the sender is refused. A transaction before it is over."""
        await self.forget()
        return await self._each("mail", lambda session: session.mail(peer, helo, sender))

    async def rcpt(self, recipient: str) -> Reply | None:
        """Why the recipient is refused."""
        return await self._each("rcpt", lambda session: session.rcpt(recipient))

    async def message(self, message: Message) -> Decided:
        """What is done with a message."""
        decided = Decided(content=message.content)
        if self._discards:
            return replace(decided, reply=_thrown_away("mail"))
        for asked in self._all:
            if asked.done or asked.done_with_message:
                continue
            shown = replace(message, content=decided.added + decided.content)
            outcome = await self._message(asked, shown)
            verdict = outcome.verdict
            if verdict.act is Act.DISCARD:
                return replace(decided, reply=_thrown_away(asked.hooked.hook.name))
            if verdict.reply is not None:
                return replace(decided, reply=verdict.reply)
            try:
                decided = _apply(decided, outcome)
            except HookFailed as error:
                if (reply := self._failed(asked, error)) is not None:
                    return replace(decided, reply=reply)
        for asked in self._all:
            asked.done_with_message = False
        return decided

    async def forget(self) -> None:
        """The transaction is over, or is not to be."""
        self._discards = False
        for asked in self._all:
            asked.done_with_message = False
            if not asked.done:
                await asked.session.forget()

    async def close(self) -> None:
        """The session is over."""
        for asked in self._all:
            await asked.session.close()

    async def _message(self, asked: _Asked, message: Message) -> Outcome:
        try:
            outcome = await asked.session.message(message)
        except HookFailed as error:
            reply = self._failed(asked, error)
            return Outcome() if reply is None else Outcome(Verdict(Act.REFUSE, reply))
        metrics.HOOKS.labels(asked.hooked.hook.name, "data", outcome.verdict.act.value).inc()
        return outcome

    async def _each(
        self,
        stage: str,
        ask: Callable[[HookSession], Coroutine[Any, Any, Verdict]],
        *,
        is_of_message: bool = True,
    ) -> Reply | None:
        for asked in self._all:
            if asked.done or asked.done_with_message:
                continue
            try:
                verdict = await ask(asked.session)
            except HookFailed as error:
                if (reply := self._failed(asked, error)) is not None:
                    return reply
                continue
            if verdict is not GO:
                metrics.HOOKS.labels(asked.hooked.hook.name, stage, verdict.act.value).inc()
            if verdict.reply is not None:
                LOG.info("hook_refused", hook=asked.hooked.hook.name, stage=stage, code=verdict.reply.code)
                return verdict.reply
            if verdict.act is Act.DISCARD:
                self._discards = True
            if verdict.act is Act.ACCEPT:
                asked.done_with_message = is_of_message
                asked.done = not is_of_message
        return None

    @staticmethod
    def _failed(asked: _Asked, error: HookFailed) -> Reply | None:
        """What the client is told."""
        name = asked.hooked.hook.name
        metrics.HOOKS.labels(name, "any", "failed").inc()
        LOG.warning("hook_failed", hook=name, error=str(error), then=asked.hooked.when_away)
        if asked.hooked.when_away == "refuse":
            return AWAY
        asked.done = True
        return None


def _apply(decided: Decided, outcome: Outcome) -> Decided:
    """Raises HookFailed where a field is none."""
    added = b"".join(added_field(name, value) for name, value in outcome.added)
    content = decided.content
    if outcome.changed:
        # Its indexes count what it was shown: what hooks before it added, too.
        shown = change_fields(decided.added + content, outcome.changed)
        front = decided.added if shown.startswith(decided.added) else b""
        return replace(
            _with_recipients(decided, outcome), added=added + front, content=shown.removeprefix(front)
        )
    return replace(_with_recipients(decided, outcome), added=added + decided.added, content=content)


def _with_recipients(decided: Decided, outcome: Outcome) -> Decided:
    return replace(
        decided,
        added_recipients=decided.added_recipients + outcome.added_recipients,
        removed_recipients=decided.removed_recipients + outcome.removed_recipients,
        quarantined=decided.quarantined or outcome.quarantined,
    )


def _thrown_away(by: str) -> Reply:
    LOG.info("message_thrown_away", by=by)
    return Reply.of(250, "2.0.0", "Accepted")
