"""Service to service: who shows no certificate is not heard, and who shows one may call what is listed for it."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import directory.edge.callers
import grpc
import mailwire
import mda.edge.callers
import mta_queue.edge.callers
import pytest
import smtp_gateway.edge.callers
from posthouse.stack.authority import Authority
from posthouse.stack.layout import Layout
from servicekit import rpc
from servicekit.identity import SERVICES, Identity, IdentityIncomplete
from servicekit.run import Service
from servicekit.settings import ServiceSettings

TABLES: dict[str, Mapping[str, Sequence[str]]] = {
    "directory": directory.edge.callers.ALLOWED,
    "mta-queue": mta_queue.edge.callers.ALLOWED,
    "mda": mda.edge.callers.ALLOWED,
    "smtp-gateway": smtp_gateway.edge.callers.ALLOWED,
}
DENIED, UNAVAILABLE = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return made(tmp_path_factory.mktemp("installation"))


def made(folder: Path) -> Authority:
    layout = Layout(folder)
    layout.prepare()
    authority = Authority(layout)
    authority.ensure((*sorted(SERVICES), "stranger"))
    return authority


def identity(authority: Authority, name: str) -> Identity:
    return Identity.read(*authority.files(name), authority.certificate_file)


def methods() -> Iterator[tuple[str, str]]:
    """(service, method) of everything that our protos say."""
    for found in pkgutil.walk_packages(mailwire.__path__, "mailwire."):
        if found.name.endswith("_pb2"):
            described = importlib.import_module(found.name).DESCRIPTOR
            for service in described.services_by_name.values():
                for method in service.methods:
                    yield service.full_name, method.name


async def echo(request: bytes, _context: Any) -> bytes:
    return request


async def echoes(request: bytes, _context: Any) -> AsyncIterator[bytes]:
    yield request
    yield request


@asynccontextmanager
async def serving(authority: Authority, name: str, allowed: Any) -> AsyncIterator[int]:
    """All methods of all protos, as `name` with its table; and a service that is in no table."""
    certificate, key = authority.files(name)
    service = Service(
        name,
        ServiceSettings(
            identity_certificate_file=certificate,
            identity_key_file=key,
            identity_authority_file=authority.certificate_file,
            drain_seconds=0,
        ),
    )

    def register(server: grpc.aio.Server) -> list[str]:
        handlers: dict[str, dict[str, Any]] = {
            "test.Unlisted": {"Call": grpc.unary_unary_rpc_method_handler(echo)},
            "test.Streams": {"Call": grpc.unary_stream_rpc_method_handler(echoes)},
        }
        for full_name, method in methods():
            handlers.setdefault(full_name, {})[method] = grpc.unary_unary_rpc_method_handler(echo)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, calls) for name, calls in handlers.items()]
        )
        return list(handlers)

    port = await rpc.serve_grpc(service, "127.0.0.1", 0, register, {**allowed, "test.Streams": ("imap",)})
    try:
        yield port
    finally:
        for closer in reversed(service._closers):
            await closer()


async def code(channel: grpc.aio.Channel, method: str) -> grpc.StatusCode | None:
    try:
        assert await channel.unary_unary(method, None, None)(b"x", timeout=10) == b"x"
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


@pytest.mark.parametrize("name", TABLES)
async def test_each_method_is_for_those_who_are_listed_and_for_nobody_else(
    authority: Authority, name: str
) -> None:
    table = TABLES[name]
    async with serving(authority, name, table) as port:
        for who in (*sorted(SERVICES), "stranger"):
            async with rpc.channel(f"127.0.0.1:{port}", name, identity(authority, who)) as channel:
                for service, method in methods():
                    listed = table.get(f"{service}/{method}", table.get(service, ()))
                    expected = None if who in listed else DENIED
                    assert await code(channel, f"/{service}/{method}") is expected, (who, service, method)
                assert await code(channel, "/test.Unlisted/Call") is DENIED
                # Health is for all that have a certificate.
                assert await code(channel, "/grpc.health.v1.Health/Check") is not DENIED


def test_every_service_of_ours_has_its_callers_and_keys_go_to_the_signer_only() -> None:
    listed = {key.partition("/")[0] for table in TABLES.values() for key in table}
    assert {service for service, _ in methods()} == listed
    for table in TABLES.values():
        for key, who in table.items():
            assert set(who) <= SERVICES, key
            if "Admin" in key or "Access" in key or key.endswith("DkimService"):
                assert set(who) == {"admin-api"}, key
    signers = TABLES["directory"]["mailwire.directory.v1.DirectorySigningService"]
    assert not set(signers) & {"imap", "pop3", "managesieve", "admin-api"}


async def test_streams_are_guarded_too(authority: Authority) -> None:
    async with serving(authority, "mda", {}) as port:
        for who, expected in (("imap", [b"x", b"x"]), ("pop3", DENIED)):
            async with rpc.channel(f"127.0.0.1:{port}", "mda", identity(authority, who)) as channel:
                try:
                    got: Any = [
                        answer
                        async for answer in channel.unary_stream("/test.Streams/Call", None, None)(
                            b"x", timeout=10
                        )
                    ]
                except grpc.aio.AioRpcError as error:
                    got = error.code()
                assert got == expected


async def test_who_shows_nothing_or_another_authoritys_is_not_heard(
    authority: Authority, tmp_path: Path
) -> None:
    other = made(tmp_path / "other")
    mixed = Identity(*(file.read_bytes() for file in (*other.files("admin-api"), authority.certificate_file)))
    async with serving(authority, "directory", TABLES["directory"]) as port:
        target = f"127.0.0.1:{port}"
        method = "/mailwire.directory.v1.DirectoryAdminService/ListTenants"
        async with rpc.channel(target, "directory", None) as plain:
            assert await code(plain, method) is UNAVAILABLE
        async with rpc.channel(target, "directory", mixed) as foreign:
            assert await code(foreign, method) is UNAVAILABLE
        bare = grpc.ssl_channel_credentials(authority.certificate_file.read_bytes())
        options = [("grpc.ssl_target_name_override", "directory")]
        async with grpc.aio.secure_channel(target, bare, options=options) as nameless:
            assert await code(nameless, method) is UNAVAILABLE
        async with rpc.channel(target, "directory", identity(authority, "admin-api")) as right:
            assert await code(right, method) is None


async def test_a_service_that_says_it_is_another_is_not_asked(authority: Authority) -> None:
    async with serving(authority, "pop3", TABLES["directory"]) as port:
        async with rpc.channel(f"127.0.0.1:{port}", "directory", identity(authority, "imap")) as channel:
            assert await code(channel, "/mailwire.directory.v1.DirectoryService/Authenticate") is UNAVAILABLE


async def test_without_an_identity_others_cannot_reach_it() -> None:
    service = Service("test", ServiceSettings())
    with pytest.raises(rpc.Unguarded, match="identity_certificate_file"):
        await rpc.serve_grpc(service, "0.0.0.0", 0, lambda _server: [], {})


def test_files_that_do_not_belong_together(authority: Authority) -> None:
    certificate, _ = authority.files("imap")
    _, key = authority.files("pop3")
    with pytest.raises(IdentityIncomplete, match="do not fit"):
        Identity.read(certificate, key, authority.certificate_file)
    with pytest.raises(IdentityIncomplete, match="belong together"):
        Identity.of(ServiceSettings(identity_certificate_file=certificate))


def test_certificates_are_made_once_and_anew_near_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = made(tmp_path)
    before = {name: authority.files(name)[0].read_bytes() for name in SERVICES}
    authority.ensure(sorted(SERVICES))
    assert before == {name: authority.files(name)[0].read_bytes() for name in SERVICES}
    monkeypatch.setattr("posthouse.stack.authority.LEAST_DAYS", 398)
    authority.ensure(["imap"])
    assert authority.files("imap")[0].read_bytes() != before["imap"]
    assert authority.files("pop3")[0].read_bytes() == before["pop3"]
    for file in authority.folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
