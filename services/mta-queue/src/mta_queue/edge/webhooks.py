"""Webhooks are told what happened: several at once, each by one process, in order, some events a request.

A request is POST with `{"events": [...]}` and the field Posthouse-Signature (core.hooks). Any 2xx is heard; anything else
is tried again later, the same events first. Redirects are not followed; private addresses are not asked (adapters.https).
"""

import asyncio
import time
from collections import Counter
from typing import Protocol

from pgkit import DatabaseUnavailable
from servicekit import logs
from servicekit.sealing import Unopened

from mta_queue import metrics
from mta_queue.adapters.hooks import Hooks, Told
from mta_queue.core.hooks import HookInvalid, again_seconds, check_url, signature

LOG = logs.logger("mta_queue.webhooks")
AT_ONCE = 8
# Of these for one tenant: webhooks that think for long keep others waiting for their own tenant only.
OF_A_TENANT = 2
EVENTS_A_REQUEST = 100
IDLE_SECONDS = 1.0
UPKEEP_SECONDS = 60.0


class NotHeard(Exception):
    """The text says why."""


class Post(Protocol):
    """One request. Raises NotHeard where there is no answer."""

    async def __call__(self, host: str, target: str, body: bytes, headers: list[tuple[str, str]]) -> int:
        """The status."""


class Webhooks:
    """Several processes may run it."""

    def __init__(self, hooks: Hooks, post: Post, draining: asyncio.Event) -> None:
        self._hooks = hooks
        self._post = post
        self._draining = draining
        self._under_way: Counter[str] = Counter()
        self._claiming = asyncio.Lock()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until the drain. One looks for who is to be told, so that eight with nothing to do cost no more than one."""
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_up())
            while not self._draining.is_set():
                await places.acquire()
                self._ended.clear()
                try:
                    told = await self._claim()
                except DatabaseUnavailable as error:
                    LOG.warning("webhooks_unknown", error=str(error))
                    told = None
                except Unopened as error:
                    # Of this one only, and it has had its turn.
                    LOG.error("webhook_unreadable", error=str(error))
                    places.release()
                    continue
                if told is not None:
                    group.create_task(self._work(told, places))
                    continue
                places.release()
                await self._pause(IDLE_SECONDS, self._ended, self._draining)

    async def _work(self, told: Told, places: asyncio.Semaphore) -> None:
        try:
            await self._told(told)
        except DatabaseUnavailable as error:
            LOG.warning("webhooks_unknown", error=str(error))
        finally:
            places.release()
            # It may have more to hear, and another of its tenant a place now.
            self._ended.set()

    async def _keep_up(self) -> None:
        while not self._draining.is_set():
            try:
                await self._hooks.upkeep()
            except DatabaseUnavailable as error:
                LOG.warning("webhooks_unknown", error=str(error))
            await self._pause(UPKEEP_SECONDS, self._draining)

    async def _pause(self, seconds: float, *ends: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(each.wait()) for each in ends]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def once(self) -> bool:
        """One request to whoever's turn it is; False where nobody waits. Raises DatabaseUnavailable, Unopened."""
        told = await self._claim()
        if told is None:
            return False
        await self._told(told)
        return True

    async def _claim(self) -> Told | None:
        # One by one, so that each knows of the others.
        async with self._claiming:
            busy = [tenant_id for tenant_id, count in self._under_way.items() if count >= OF_A_TENANT]
            told = await self._hooks.claim(EVENTS_A_REQUEST, busy)
            if told is not None:
                self._under_way[told.tenant_id] += 1
        return told

    async def _told(self, told: Told) -> None:
        try:
            if told.events:
                await self._post_and_note(told)
        finally:
            self._under_way[told.tenant_id] -= 1
            if not self._under_way[told.tenant_id]:
                del self._under_way[told.tenant_id]

    async def _post_and_note(self, told: Told) -> None:
        try:
            await self._tell(told)
        except NotHeard as error:
            metrics.WEBHOOKS.labels("failed").inc()
            dead = await self._hooks.failed(told, str(error), again_seconds(told.failures + 1))
            LOG.info(
                "webhook_not_heard",
                webhook_id=told.webhook_id,
                tenant_id=told.tenant_id,
                failures=told.failures + 1,
                dead=dead,
                error=str(error),
            )
            return
        metrics.WEBHOOKS.labels("heard").inc()
        await self._hooks.told(told)

    async def _tell(self, told: Told) -> None:
        try:
            host, target = check_url(told.url)
        except HookInvalid as error:
            raise NotHeard(str(error)) from error
        body = f'{{"events":[{",".join(told.events)}]}}'.encode()
        seconds = int(time.time())
        headers = [
            ("Content-Type", "application/json"),
            ("Posthouse-Webhook", told.webhook_id),
            ("Posthouse-Signature", signature(told.secret, seconds, body)),
        ]
        status = await self._post(host, target, body, headers)
        if not 200 <= status < 300:
            raise NotHeard(f"{host} answered {status}")
