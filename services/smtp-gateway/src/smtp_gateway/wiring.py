"""What stands between the world and a session: made here, told of what other processes know."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import grpc
from dnslookup import Resolver, parse_servers
from eventbus import EventBus, Followed, Ledger
from mailwire.gateway.v1.gateway_pb2_grpc import add_GatewayAdminServiceServicer_to_server
from servicekit import rpc
from servicekit.run import Service

from smtp_gateway.adapters.blocklists import Blocklists
from smtp_gateway.adapters.ledgers import keep_reading, open_ledgers
from smtp_gateway.core import blocklists
from smtp_gateway.core.bans import BannedBy
from smtp_gateway.core.greylist import Patience
from smtp_gateway.core.networks import Networks
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.callers import ALLOWED
from smtp_gateway.edge.greylisting import Greylisting
from smtp_gateway.edge.judged import Judged
from smtp_gateway.edge.orders import Orders
from smtp_gateway.edge.remembering import Remembering
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.suspending import Suspending
from smtp_gateway.ports import Directory
from smtp_gateway.settings import Settings

WRITE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Parts:
    banning: Banning
    suspending: Suspending
    remembering: Remembering


async def screens_of(
    service: Service[Settings], bus: EventBus, controls: Controls, directory: Directory
) -> Screens:
    """Made, followed and, where a port is set, told to the operator. Raises BusUnavailable."""
    settings = service.settings
    ledgers = await open_ledgers(bus)
    parts = _parts(settings, bus, controls, ledgers)
    follow: dict[str, Callable[[str, bytes], None]] = {
        "bans": partial(parts.banning.heard, BannedBy.OFFENCES),
        "operator_bans": partial(parts.banning.heard, BannedBy.OPERATOR),
        "suspended_senders": parts.suspending.heard,
    }
    followed = [Followed(ledgers[name], changed, lambda: bus.connections) for name, changed in follow.items()]
    for each in followed:
        await each.start()
    async for entry, value in ledgers["sender_use"].entries():
        parts.remembering.restore(entry, value)
    service.spawn(keep_reading(followed, service.draining), name="ledgers")
    passing_on = (
        Networks(map(str, settings.sender_checks_exempt)),
        Networks(map(str, settings.lmtp_networks)),
    )
    judged = Judged(parts.banning, passing_on, time.monotonic)
    await judged.listen(bus)
    service.spawn(judged.run(service.draining), name="judged")
    service.spawn(_keep_house(parts, service.draining), name="remembering")
    service.on_close(parts.remembering.write)
    if settings.grpc_port:
        orders = Orders(parts.banning, parts.suspending, directory)

        def register(server: grpc.aio.Server) -> list[str]:
            add_GatewayAdminServiceServicer_to_server(orders, server)
            return ["mailwire.gateway.v1.GatewayAdminService"]

        await rpc.serve_grpc(service, settings.grpc_host, settings.grpc_port, register, ALLOWED)
    lists = [blocklists.parse(each) for each in settings.blocklists]
    resolver = Resolver(parse_servers(settings.dns_servers), deadline_seconds=settings.blocklist_seconds)
    return Screens(
        banning=parts.banning,
        exempt=Networks(map(str, settings.sender_checks_exempt)),
        suspending=parts.suspending,
        remembering=parts.remembering,
        blocklists=Blocklists(resolver, lists, settings.blocklist_seconds) if lists else None,
        greylisting=Greylisting(
            Patience(settings.greylist_seconds, settings.greylist_window_seconds),
            ledgers["greylist_seen"],
            ledgers["greylist_known"],
        ),
    )


def _parts(settings: Settings, bus: EventBus, controls: Controls, ledgers: dict[str, Ledger]) -> _Parts:
    banning = Banning(
        controls.limits,
        settings.offence_rules(),
        Networks(map(str, settings.never_banned_networks)),
        ledgers["bans"],
        ledgers["operator_bans"],
    )
    remembering = Remembering(controls.limits, ledgers["sender_use"], time.monotonic)
    return _Parts(
        banning,
        Suspending(controls.limits, ledgers["suspended_senders"], bus.tell, resumed=remembering.resumed),
        remembering,
    )


async def _keep_house(parts: _Parts, draining: asyncio.Event) -> None:
    """Until the drain."""
    while not draining.is_set():
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await draining.wait()
        except TimeoutError:
            pass
        await parts.remembering.write()
        parts.banning.forget_past()
