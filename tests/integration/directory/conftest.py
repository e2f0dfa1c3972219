"""The directory's gRPC around real PostgreSQL and NATS, in the test's own process so that hashes can be counted."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from argon2 import PasswordHasher
from directory.adapters.changes import BusChanges
from directory.adapters.issuers import Issuers
from directory.adapters.journal import Journal
from directory.adapters.ldap_binding import LdapServers
from directory.adapters.limits import Limits
from directory.adapters.notices import BusNotices
from directory.adapters.shared_secret import shared_secret
from directory.core import scram
from directory.core.data_keys import KeyProvider
from directory.core.limits import Rules
from directory.core.passwords import Hasher, Verdicts
from directory.core.sealing import Sealer
from directory.edge.hashing import Hashing
from directory.edge.housekeeping import Housekeeping
from directory.edge.second_factors import Site
from directory.wiring import build
from eventbus import EventBus
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.access_pb2_grpc import DirectoryAccessServiceStub
from mailwire.directory.v1.certificate_pb2_grpc import DirectoryCertificateServiceStub
from mailwire.directory.v1.directory_pb2_grpc import DirectoryAdminServiceStub, DirectoryServiceStub
from mailwire.directory.v1.dkim_pb2_grpc import DirectoryDkimServiceStub, DirectorySigningServiceStub
from mailwire.directory.v1.identity_pb2_grpc import DirectoryIdentityServiceStub, DirectoryRemovalServiceStub
from mailwire.directory.v1.keys_pb2_grpc import DirectoryDataKeyServiceStub, DirectoryKeyServiceStub
from mailwire.directory.v1.ldap_pb2_grpc import DirectoryLdapServiceStub
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceStub
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub
from mailwire.directory.v1.openid_pb2_grpc import DirectoryOpenidServiceStub
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub
from mailwire.directory.v1.quota_pb2_grpc import DirectoryQuotaServiceStub
from mailwire.directory.v1.second_factor_pb2_grpc import (
    DirectorySecondFactorServiceStub,
    DirectoryWebLoginServiceStub,
)
from mailwire.directory.v1.sharing_pb2_grpc import DirectorySharingServiceStub
from pgkit import open_pool

from tests.support.engines import Engines

PASSWORD = "right password"
DEFAULT_RULES = Rules()
DKIM_SECRET = "a secret that keeps private keys"


@dataclass
class House:
    """A running directory, and a tenant with one domain for the test at hand."""

    ask: Any
    order: Any
    access: Any
    dkim: Any
    signing: Any
    policies: Any
    quotas: Any
    sharing: Any
    identity: Any
    removal: Any
    openid: Any
    certificates: Any
    ldap: Any
    lists: Any
    members: Any
    factors: Any
    web: Any
    journal: Journal
    housekeeping: Housekeeping
    limits: Limits
    clock: "Clock"
    hashes: list[str]
    keys: Any = None
    data_keys: Any = None
    tenant: str = field(default_factory=lambda: f"t-{uuid4().hex[:12]}")
    tenant_id: str = ""

    @property
    def domain(self) -> str:
        return f"{self.tenant}.test"

    @property
    def other(self) -> str:
        """Another tenant, without anything."""
        return f"{self.tenant}-other"

    def at(self, local_part: str) -> str:
        """An address in the domain."""
        return f"{local_part}@{self.domain}"

    async def furnish(self) -> None:
        answer = await self.order.CreateTenant(wire.CreateTenantRequest(name=self.tenant))
        self.tenant_id = answer.tenant.tenant_id
        await self.order.CreateTenant(wire.CreateTenantRequest(name=self.other))
        await self.order.CreateDomain(wire.CreateDomainRequest(name=self.domain, tenant=self.tenant))

    async def account(self, address: str, password: str = PASSWORD) -> wire.Account:
        request = wire.CreateAccountRequest(address=address, password=password)
        made: wire.CreateAccountResponse = await self.order.CreateAccount(request)
        return made.account

    async def alias(self, address: str, *targets: str) -> wire.Alias:
        request = wire.CreateAliasRequest(address=address, targets=targets)
        made: wire.CreateAliasResponse = await self.order.CreateAlias(request)
        return made.alias

    async def resolve(self, *addresses: str) -> list[wire.Resolution]:
        answer = await self.ask.ResolveRecipients(wire.ResolveRecipientsRequest(addresses=addresses))
        assert [each.address for each in answer.resolutions] == list(addresses)
        return list(answer.resolutions)

    async def log_in(
        self, login: str, password: str = PASSWORD, door: str = "imap", client_address: str = "192.0.2.1"
    ) -> wire.AuthenticateResponse:
        answer: wire.AuthenticateResponse = await self.ask.Authenticate(
            wire.AuthenticateRequest(login=login, password=password, door=door, client_address=client_address)
        )
        return answer


class Clock:
    """The time of a test: it goes on when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@contextlib.asynccontextmanager
async def opened(
    engines: Engines,
    hashes: list[str],
    passes: int = 1,
    clock: Clock | None = None,
    dkim_secrets: Sequence[str] = (DKIM_SECRET,),
    scram_iterations: int = 4096,
    issuers: Issuers | None = None,
    ldap_servers: LdapServers | None = None,
    key_provider: KeyProvider | None = None,
    rules: Rules = DEFAULT_RULES,
) -> AsyncIterator[House]:
    """A directory on these stores."""
    pool = await open_pool(engines.dsn("directory", "app"))
    bus = await EventBus.connect(engines.nats.url, name="directory")
    hashing, secret = Hashing(2), await shared_secret(pool, "logins")
    clock = clock or Clock()
    wiring = build(
        pool,
        BusChanges(bus).tell,
        Hasher(8, passes),
        Verdicts(60.0),
        hashing,
        rules,
        secret,
        scram_iterations,
        clock,
        Sealer(dkim_secrets) if dkim_secrets else None,
        issuers=issuers,
        ldap_servers=ldap_servers,
        notice=BusNotices(bus.tell).notice,
        site=Site("mail.example", ["https://mail.example"]),
        key_provider=key_provider,
    )
    server = grpc.aio.server()
    wiring.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    house = House(
        DirectoryServiceStub(channel),
        DirectoryAdminServiceStub(channel),
        DirectoryAccessServiceStub(channel),
        DirectoryDkimServiceStub(channel),
        DirectorySigningServiceStub(channel),
        DirectoryPolicyServiceStub(channel),
        DirectoryQuotaServiceStub(channel),
        DirectorySharingServiceStub(channel),
        DirectoryIdentityServiceStub(channel),
        DirectoryRemovalServiceStub(channel),
        DirectoryOpenidServiceStub(channel),
        DirectoryCertificateServiceStub(channel),
        DirectoryLdapServiceStub(channel),
        DirectoryListServiceStub(channel),
        DirectoryMembershipServiceStub(channel),
        DirectorySecondFactorServiceStub(channel),
        DirectoryWebLoginServiceStub(channel),
        wiring.journal,
        wiring.housekeeping,
        Limits(pool, rules),
        clock,
        hashes,
        DirectoryKeyServiceStub(channel),
        DirectoryDataKeyServiceStub(channel),
    )
    await house.furnish()
    try:
        yield house
    finally:
        await channel.close(None)
        await server.stop(0)
        await bus.close()
        await pool.close()
        hashing.close()


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What passwords were looked at with, by argon2 or by SCRAM keys, call by call."""
    calls: list[str] = []
    verify, is_password = PasswordHasher.verify, scram.is_password

    def counted(self: PasswordHasher, encoded: str, password: str) -> bool:
        calls.append(encoded)
        return verify(self, encoded, password)

    def by_keys(password: str, salt: bytes, kept: scram.ScramKeys | None, iterations: int) -> bool:
        calls.append(f"scram-{kept.iterations if kept is not None else iterations}$$")
        return is_password(password, salt, kept, iterations)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    monkeypatch.setattr(scram, "is_password", by_keys)
    return calls


@pytest.fixture
async def clean(engines: Engines) -> None:
    """Nothing has failed yet."""
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    # Failures are counted by address and everywhere: those of another test must not count here.
    await connection.execute("TRUNCATE login_limit")
    await connection.close()


@pytest.fixture
async def house(engines: Engines, hashes: list[str], clean: None) -> AsyncIterator[House]:
    async with opened(engines, hashes) as house:
        yield house
