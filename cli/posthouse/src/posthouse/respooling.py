"""How accepted mail that the bus has lost is put back; what `posthouse respool` does.

Loaded by that command alone: the others need none of the stores' libraries.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from blobstore import BlobStore, BlobUnavailable
from eventbus import BusMisconfigured, BusUnavailable, EventBus, OutcomeUnknown
from mailstore import MailStore
from mailstore.upkeep import DELIVERY_KEPT
from mta_queue.adapters.known import known_of
from pgkit import DatabaseUnavailable, open_pool
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicekit.settings import BlobSettings, BusSettings, read_secret
from spool import Findings, Recovery, Span

from posthouse.errors import Problem, Unreachable
from posthouse.output import errors
from posthouse.stack.authority import Authority
from posthouse.stack.layout import Layout
from posthouse.stack.nats import Nats
from posthouse.stack.ports import Ports
from posthouse.stack.seaweed import BUCKET, Seaweed
from posthouse.supervisor import state

OPERATOR = "operator"

if TYPE_CHECKING:
    import grpc


class Stores(BaseSettings, BusSettings, BlobSettings):
    """Where the stores are, from the environment (prefix POSTHOUSE_), as a job on Kubernetes is told."""

    model_config = SettingsConfigDict(env_prefix="POSTHOUSE_")

    store_dsn_file: Path
    queue_dsn_file: Path
    # Mail of tenants that encrypt it is read with their keys; who asks for these is `operator` in its certificate.
    directory_target: str = ""
    identity_certificate_file: Path | None = None
    identity_key_file: Path | None = None
    identity_authority_file: Path | None = None


def put_back(
    layout: Layout | None, hours: float, settled_for_seconds: float, *, publish: bool, quiet: bool
) -> Findings:
    """Of the installation in this folder, or of the one that the environment names. Raises Problem, Unreachable."""
    if timedelta(hours=hours) > DELIVERY_KEPT:
        raise Problem(f"--hours can be {DELIVERY_KEPT.days * 24} at most: deliveries are remembered so long.")
    stores = _from_environment() if layout is None else _of_installation(layout)
    now = datetime.now(UTC)
    span = Span(now - timedelta(hours=hours), now - timedelta(seconds=settled_for_seconds))
    try:
        return asyncio.run(_run(stores, span, publish=publish, quiet=quiet))
    except (BlobUnavailable, BusUnavailable, DatabaseUnavailable, OutcomeUnknown) as error:
        raise Unreachable(f"{error}; run it again when that is mended.") from error
    except BusMisconfigured as error:
        raise Problem(str(error)) from error


def _from_environment() -> Stores:
    try:
        return Stores()
    except ValidationError as error:
        missing = ", ".join(f"POSTHOUSE_{each['loc'][0]}".upper() for each in error.errors())
        raise Problem(f"the environment lacks {missing}.") from error


def _of_installation(layout: Layout) -> Stores:
    ports = Ports.at(state.read_running(layout).port_base)
    nats = Nats(layout, ports)
    authority = Authority(layout)
    authority.ensure([OPERATOR])
    certificate, key = authority.files(OPERATOR)
    return Stores(
        nats_url=nats.url,
        nats_monitor_url=nats.monitor_url,
        s3_url=Seaweed(layout, ports).url,
        s3_bucket=BUCKET,
        s3_access_key_file=layout.secrets / "s3-access-key",
        s3_secret_key_file=layout.secrets / "s3-secret-key",
        store_dsn_file=layout.secrets / "dsn-store_app",
        queue_dsn_file=layout.secrets / "dsn-queue_app",
        directory_target=f"127.0.0.1:{ports.directory_grpc}",
        identity_certificate_file=certificate,
        identity_key_file=key,
        identity_authority_file=authority.certificate_file,
    )


async def _run(stores: Stores, span: Span, *, publish: bool, quiet: bool) -> Findings:
    blobs: BlobStore = BlobStore.open(
        stores.s3_url,
        stores.s3_bucket,
        read_secret(stores.s3_access_key_file),
        read_secret(stores.s3_secret_key_file),
    )
    bus = await EventBus.connect(
        stores.nats_url, name="posthouse-respool", monitor_url=stores.nats_monitor_url
    )
    channel = None
    if stores.directory_target:
        # Only here: other commands need not load gRPC.
        from directoryclient.data_keys import sealed

        channel = _directory(stores)
        blobs = await sealed(blobs, channel, bus)
    mailboxes = await MailStore.open(read_secret(stores.store_dsn_file), blobs, lambda _change: None)
    queue = await open_pool(read_secret(stores.queue_dsn_file))

    async def settled(queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        return await mailboxes.settled(queue_ids) | await known_of(queue, queue_ids)

    try:
        # After the loss of the whole bus the stream may be gone too.
        await bus.ensure_stream()
        with errors.status("looking through the storage") as shown:

            def told(findings: Findings) -> None:
                if not quiet:
                    shown.update(
                        f"{findings.objects} objects, {findings.records} messages, {findings.put_back} put back"
                    )

            return await Recovery(blobs, bus, settled, publish=publish).run(span, told)
    finally:
        await queue.close()
        await mailboxes.close()
        if channel is not None:
            await channel.close(None)
        await bus.close()


def _directory(stores: Stores) -> "grpc.aio.Channel":
    from servicekit import rpc
    from servicekit.identity import Identity, IdentityIncomplete

    certificate, key = stores.identity_certificate_file, stores.identity_key_file
    identity = None
    if certificate is not None and key is not None and stores.identity_authority_file is not None:
        try:
            identity = Identity.read(certificate, key, stores.identity_authority_file)
        except IdentityIncomplete as error:
            raise Problem(str(error)) from error
    return rpc.channel(stores.directory_target, "directory", identity)
