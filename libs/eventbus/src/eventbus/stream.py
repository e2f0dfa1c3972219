"""The stream MAIL: accepted mail that is not settled yet.

A work queue: a message is removed when its one consumer acknowledges it. It is
refused where it would be weaker than a 250 promises: a memory store, an age
limit, old messages thrown away when full, or a server that acknowledges before
it has synced.
"""

import asyncio
import json
import urllib.request

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from eventbus import subjects
from eventbus.errors import BusMisconfigured, BusUnavailable
from eventbus.publisher import HOLDING

DUPLICATE_WINDOW_SECONDS = 120.0
EVENTS_SECONDS = 7 * 86_400.0
EVENTS_OCTETS = 256 * 1024 * 1024
ACTED_SECONDS = 86_400.0
ACTED_OCTETS = 64 * 1024 * 1024


def wanted(replicas: int) -> StreamConfig:
    """The stream as it must be."""
    return StreamConfig(
        name=subjects.MAIL_STREAM,
        subjects=[subjects.MAIL_LOCAL, subjects.MAIL_RELAY],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        allow_atomic=True,
    )


async def ensure(context: JetStreamContext, replicas: int) -> None:
    """Create the stream, or check the one that is there. Raises BusMisconfigured."""
    try:
        found = (await context.stream_info(subjects.MAIL_STREAM)).config
    except NotFoundError:
        await context.add_stream(wanted(replicas))
        return
    weaknesses = [
        text
        for weak, text in (
            (found.storage != StorageType.FILE, "storage = file"),
            (found.retention != RetentionPolicy.WORK_QUEUE, "retention = workqueue"),
            (found.discard != DiscardPolicy.NEW, "discard = new"),
            (bool(found.max_age), "max_age = 0"),
            (bool(found.no_ack), "no_ack = false"),
            (not found.allow_atomic, "allow_atomic = true"),
            ((found.num_replicas or 1) < replicas, f"num_replicas = {replicas}"),
        )
        if weak
    ]
    if weaknesses:
        raise BusMisconfigured(
            f"the stream {subjects.MAIL_STREAM} is weaker than a 250 promises. Set {', '.join(weaknesses)}."
        )


async def ensure_events(context: JetStreamContext, replicas: int) -> None:
    """The stream EVENTS: what happened to mail, for a while, for whoever follows it."""
    config = StreamConfig(
        name=subjects.EVENTS_STREAM,
        subjects=[subjects.ALL_EVENTS],
        retention=RetentionPolicy.LIMITS,
        max_age=EVENTS_SECONDS,
        max_bytes=EVENTS_OCTETS,
    )
    await _ensure_bounded(context, config, replicas)


async def ensure_acted(context: JetStreamContext, replicas: int) -> None:
    """The stream ACTED: what waits for a script, for a day, until it was run."""
    config = StreamConfig(
        name=subjects.ACTED_STREAM,
        subjects=[subjects.ALL_ACTED],
        retention=RetentionPolicy.WORK_QUEUE,
        max_age=ACTED_SECONDS,
        max_bytes=ACTED_OCTETS,
    )
    await _ensure_bounded(context, config, replicas)


async def _ensure_bounded(context: JetStreamContext, config: StreamConfig, replicas: int) -> None:
    """A stream in which the oldest goes first. One that is there stays as it is."""
    try:
        await context.stream_info(str(config.name))
    except NotFoundError:
        await context.add_stream(
            config, storage=StorageType.FILE, discard=DiscardPolicy.OLD, num_replicas=replicas
        )


async def waiting_ids(context: JetStreamContext) -> set[str]:
    """The queue ids of the stream's messages: of each its id up to the first dot, or what it says to hold.

    They are read one by one, for rare use.
    """
    ids: set[str] = set()
    sequence = 1
    while True:
        try:
            found = await context.get_msg(
                subjects.MAIL_STREAM, seq=sequence, subject=subjects.ALL_MAIL, next=True
            )
        except NotFoundError:
            return ids
        headers = found.headers or {}
        ids.update(headers.get(HOLDING, headers.get("Nats-Msg-Id", "").partition(".")[0]).split())
        sequence = (found.seq or sequence) + 1


async def check_sync(monitor_url: str) -> None:
    """Raise BusMisconfigured on a server that acknowledges before it has synced."""
    try:
        text = await asyncio.to_thread(_fetch, monitor_url.rstrip("/") + "/varz")
        options = json.loads(text).get("jetstream", {}).get("config", {})
    except (OSError, ValueError) as error:
        raise BusUnavailable(f"NATS monitoring at {monitor_url} does not answer: {error}") from error
    if not options.get("sync_always"):
        raise BusMisconfigured(
            "nats-server acknowledges messages before they are synced to disk: an accepted message could be "
            "lost. Set `sync_interval: always` in its jetstream block."
        )


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=3) as answer:
        body: bytes = answer.read(1 << 20)
        return body
