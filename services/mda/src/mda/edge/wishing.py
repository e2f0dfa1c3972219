"""What accounts wish of their mail without scripts (`core/wishes.py`), asked of the directory and compiled once."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from directoryclient import DirectoryClient, Disposition, Unavailable
from mailmodel import AccountRef
from servicekit import logs
from sieve import Program, ScriptError, Situation, Stage
from sieve.actions import Outcome, Redirect

from mda.core.wishes import NAME, Chosen, Wishes, are_heard, joined, wishes_of, without_strangers
from mda.edge.running import Input, Running, compiled

LOG = logs.logger("mda.wishing")
PROGRAMS_KEPT = 500


class Settings(Protocol):
    """directoryclient.policies.TenantPolicies."""

    def remembered_of_account(self, account_id: str) -> Chosen | None:
        """None where it would have to be asked for."""

    async def of_account(self, account_id: str) -> Chosen:
        """Raises Unavailable."""


class Wishing:
    """Beside the scripts of `Sorting`."""

    def __init__(self, settings: Settings, running: Running, directory: DirectoryClient) -> None:
        self._settings = settings
        self._running = running
        self._directory = directory
        self._programs: OrderedDict[bytes, Program] = OrderedDict()

    async def may_be(self, accounts: Sequence[AccountRef], now: datetime) -> list[AccountRef]:
        """Those who wish something; and those of whom it cannot be said now, which is asked again one by one."""
        found, unknown = [], []
        for account in accounts:
            chosen = self._settings.remembered_of_account(account.account_id)
            if chosen is None:
                unknown.append(account)
            elif wishes_of(chosen, now) is not None:
                found.append(account)
        if unknown:
            answers = await asyncio.gather(*(self._may_be(account, now) for account in unknown))
            found += [account for account, may_be in zip(unknown, answers, strict=True) if may_be]
        return found

    async def _may_be(self, account: AccountRef, now: datetime) -> bool:
        try:
            return await self.of(account, now) is not None
        except Unavailable:
            return True

    async def of(self, account: AccountRef, now: datetime) -> Wishes | None:
        """Raises directoryclient.Unavailable."""
        return wishes_of(await self._settings.of_account(account.account_id), now)

    async def added(
        self, account: AccountRef, wishes: Wishes, outcome: Outcome, message: Input, situation: Situation
    ) -> Outcome:
        """What the scripts asked for, with what is wished. Raises what `Running.run` and the directory raise."""
        if not are_heard(outcome):
            return outcome
        program = await self._program(account, wishes.script)
        if program is None:
            return outcome
        wished = await self._running.run(account, [Stage(NAME, program)], message, situation)
        addresses = [action.address for action in wished.actions if isinstance(action, Redirect)]
        if addresses:
            resolutions = await self._directory.resolve(addresses)
            reachable = [
                address
                for address, found in zip(addresses, resolutions, strict=True)
                if found.disposition is Disposition.REMOTE or found.targets
            ]
            if len(reachable) < len(addresses):
                LOG.info("forward_unreachable", account_id=account.account_id)
            wished = without_strangers(wished, reachable)
        return joined(outcome, wished, wishes.keeps_copy)

    async def _program(self, account: AccountRef, script: bytes) -> Program | None:
        if (known := self._programs.get(script)) is not None:
            self._programs.move_to_end(script)
            return known
        made = await compiled(script)
        if isinstance(made, ScriptError):
            LOG.warning("settings_unusable", account_id=account.account_id, reason=str(made))
            return None
        self._programs[script] = made
        if len(self._programs) > PROGRAMS_KEPT:
            self._programs.popitem(last=False)
        return made
