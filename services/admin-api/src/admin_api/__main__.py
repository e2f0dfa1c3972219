"""`python -m admin_api`: the wiring."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from mailwire.directory.v1.certificate_pb2_grpc import DirectoryCertificateServiceStub
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceStub
from mailwire.directory.v1.keys_pb2_grpc import DirectoryKeyServiceStub
from mailwire.directory.v1.ldap_pb2_grpc import DirectoryLdapServiceStub
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceStub
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub
from mailwire.directory.v1.openid_pb2_grpc import DirectoryOpenidServiceStub
from mailwire.directory.v1.scim_pb2_grpc import DirectoryScimServiceStub
from mailwire.directory.v1.second_factor_pb2_grpc import (
    DirectorySecondFactorServiceStub,
    DirectoryWebLoginServiceStub,
)
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.settings import read_secret

from admin_api.adapters import (
    access,
    directory,
    dkim,
    gateway,
    identity,
    mailboxes,
    policies,
    quarantine,
    queue,
    reach,
    relay,
    scripts,
)
from admin_api.adapters.confining import Confining
from admin_api.app import build
from admin_api.edge.access import attach
from admin_api.edge.certificates import attach as attach_certificates
from admin_api.edge.dkim import attach as attach_dkim
from admin_api.edge.gateway import attach as attach_gateway
from admin_api.edge.identity import attach as attach_identity
from admin_api.edge.keys import attach as attach_keys
from admin_api.edge.ldap import attach as attach_ldap
from admin_api.edge.leaving import attach as attach_leaving
from admin_api.edge.lists import attach as attach_lists
from admin_api.edge.mailboxes import attach as attach_mailboxes
from admin_api.edge.openid import attach as attach_openid
from admin_api.edge.patience import PatientProtocol
from admin_api.edge.policies import attach as attach_policies
from admin_api.edge.quarantine import attach as attach_quarantine
from admin_api.edge.reach import attach as attach_reach
from admin_api.edge.routes import attach as attach_relay
from admin_api.edge.scim import attach as attach_scim
from admin_api.edge.scripts import attach as attach_scripts
from admin_api.edge.second_factors import attach as attach_second_factors
from admin_api.edge.web_logins import attach as attach_web_logins
from admin_api.settings import Settings


def http_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How HTTP is spoken. Only listed proxies say for whom they ask: limits and logs go by the client's address."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxy_networks),
        forwarded_allow_ips=[str(each) for each in settings.proxy_networks],
        h11_max_incomplete_event_size=64 * 1024,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: servicekit has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def wire(service: Service[Settings]) -> None:
    """Answer until the drain."""
    settings = service.settings
    channel = rpc.channel(settings.directory_target, "directory", service.identity, [Confining()])
    service.on_close(lambda: channel.close(None))
    outgoing = rpc.channel(settings.queue_target, "mta-queue", service.identity)
    service.on_close(lambda: outgoing.close(None))
    app = build(
        directory.stub(channel),
        queue.stub(outgoing),
        read_secret(settings.token_file),
        settings.request_octets,
        DirectoryServiceStub(channel),
    )
    attach(app, access.stub(channel))
    attach_relay(app, relay.stub(outgoing))
    attach_reach(app, reach.stub(outgoing))
    attach_dkim(app, dkim.stub(channel))
    attach_identity(app, identity.stub(channel))
    attach_second_factors(app, DirectorySecondFactorServiceStub(channel))
    attach_web_logins(app, DirectoryWebLoginServiceStub(channel))
    attach_certificates(app, DirectoryCertificateServiceStub(channel))
    attach_keys(app, DirectoryKeyServiceStub(channel))
    attach_ldap(app, DirectoryLdapServiceStub(channel))
    attach_lists(app, DirectoryListServiceStub(channel))
    attach_leaving(app, DirectoryMembershipServiceStub(channel))
    attach_scim(app, DirectoryScimServiceStub(channel))
    attach_openid(app, DirectoryOpenidServiceStub(channel))
    attach_policies(app, policies.stub(channel))
    incoming = rpc.channel(settings.quarantine_target, "mda", service.identity)
    service.on_close(lambda: incoming.close(None))
    attach_quarantine(app, quarantine.stub(incoming))
    attach_scripts(app, scripts.stub(incoming))
    attach_mailboxes(app, mailboxes.stub(incoming), mailboxes.sharing_stub(channel))
    door = rpc.channel(settings.gateway_target, "smtp-gateway", service.identity)
    service.on_close(lambda: door.close(None))
    attach_gateway(app, gateway.stub(door))
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.port))
    server = _Server(http_config(app, settings))

    async def serve() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        await service.draining.wait()
        server.should_exit = True
        await serving

    service.spawn(serve(), name="http-api")

    async def started() -> None:
        if not server.started:
            raise RuntimeError("the listener is not open yet")

    service.ready_when("listener", started)


def main() -> None:
    """The console entry."""
    run("admin-api", Settings, wire)


if __name__ == "__main__":
    main()
