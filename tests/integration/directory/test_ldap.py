"""Passwords that a real slapd keeps: StartTLS and ldaps, and no answer where it cannot be asked."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Iterator
from ipaddress import ip_network
from pathlib import Path

import grpc
import pytest
import trustme
from directory.adapters.ldap_binding import LdapServers
from directory.edge import signing_in
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import ldap_pb2 as ldap

from tests.support.engines import Engines
from tests.support.packages import needs
from tests.support.slapd import BASE, READER, READER_PASSWORD, Slapd, running_slapd

from .conftest import PASSWORD, House, opened

pytestmark = needs("/usr/sbin/slapd", "slapd")
GRANTED, DENIED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED
OURS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
DOMAIN = "people.test"
PEOPLE = ["alice", "bob", "twin1=twin", "twin2=twin"]
places = itertools.count(1)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd"), DOMAIN, PEOPLE) as running:
        yield running


@pytest.fixture(params=["StartTLS", "ldaps"])
def url(request: pytest.FixtureRequest, slapd: Slapd) -> str:
    ports = {"StartTLS": f"ldap://localhost:{slapd.port}", "ldaps": f"ldaps://localhost:{slapd.tls_port}"}
    return ports[str(request.param)]


@pytest.fixture
async def house(engines: Engines, clean: None, slapd: Slapd) -> AsyncIterator[House]:
    servers = LdapServers(OURS)
    async with opened(engines, [], ldap_servers=servers) as house:
        for name in ("alice", "bob", "carol", "twin"):
            await house.account(house.at(name))
        yield house
    servers.close()


async def keep(
    house: House, url: str, slapd: Slapd, secret: str | None = READER_PASSWORD, **more: str
) -> None:
    values = {
        "url": url,
        "base_dn": BASE,
        "bind_dn": READER,
        # The test's domain is another one each time.
        "filter": "(mail={local_part}@" + DOMAIN + ")",
        "ca_certificates": slapd.ca_pem,
        **more,
    }
    await house.ldap.SetLdapSource(
        ldap.SetLdapSourceRequest(
            tenant=house.tenant,
            source=ldap.LdapSource(**values),  # type: ignore[arg-type]
            bind_password=secret,
        )
    )


async def enter(house: House, name: str, password: str) -> "wire.Verdict.ValueType":
    number = next(places)
    client = f"198.51.{number // 250}.{number % 250}"
    return (await house.log_in(house.at(name), password, client_address=client)).verdict


async def refusal(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_its_passwords_let_in_and_ours_do_not_any_more(house: House, slapd: Slapd, url: str) -> None:
    assert await enter(house, "alice", PASSWORD) == GRANTED
    await keep(house, url, slapd)
    assert await enter(house, "alice", "pw-alice") == GRANTED
    assert await enter(house, "alice", PASSWORD) == DENIED
    for name, password in (
        ("alice", "pw-bob"),
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", "pw-alice\0"),
        # Nobody there; nobody here; neither; two of that name.
        ("carol", PASSWORD),
        ("dave", "pw-dave"),
        ("twin", "pw-twin1"),
        ("*", "pw-alice"),
        ("alice)(uid=*", "pw-alice"),
    ):
        assert await enter(house, name, password) == DENIED, (name, password)
    # No SCRAM: nobody here knows the password.
    started = await house.ask.StartScram(wire.StartScramRequest(login=house.at("alice"), door="imap"))
    assert list(started.candidates) == []
    app = await house.access.CreateAppPassword(
        access.CreateAppPasswordRequest(account=house.at("alice"), name="phone")
    )
    assert await enter(house, "alice", app.password) == GRANTED
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("bob"), suspended=True))
    assert await enter(house, "bob", "pw-bob") == DENIED
    await house.ldap.DeleteLdapSource(ldap.DeleteLdapSourceRequest(tenant=house.tenant))
    assert await enter(house, "alice", PASSWORD) == GRANTED


async def test_a_source_is_one_tenants(house: House, slapd: Slapd, url: str) -> None:
    theirs = f"theirs.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=theirs, tenant=house.other))
    await house.account(f"alice@{theirs}")
    await keep(house, url, slapd)
    answer = await house.log_in(f"alice@{theirs}", "pw-alice", client_address="203.0.113.80")
    assert answer.verdict == DENIED
    assert (await house.log_in(f"alice@{theirs}", client_address="203.0.113.81")).verdict == GRANTED


@pytest.mark.parametrize("fault", ["away", "authority", "name", "reader", "base", "inside"])
async def test_one_that_cannot_be_asked_is_no_answer(
    engines: Engines, clean: None, slapd: Slapd, url: str, fault: str
) -> None:
    """It fails closed: our own password is not looked at instead."""
    servers = LdapServers([] if fault == "inside" else OURS)
    async with opened(engines, [], ldap_servers=servers) as house:
        await house.account(house.at("alice"))
        faults: dict[str, dict[str, str | None]] = {
            "away": {"url": url.rpartition(":")[0] + ":1"},
            "authority": {"ca_certificates": trustme.CA().cert_pem.bytes().decode()},
            "name": {"url": url.replace("localhost", "127.0.0.1")},
            "reader": {"secret": "wrong"},
            "base": {"bind_dn": "", "secret": None},
            "inside": {},
        }
        await keep(house, **{"url": url, "slapd": slapd, **faults[fault]})  # type: ignore[arg-type]
        for password in ("pw-alice", PASSWORD):
            assert await refusal(house.log_in(house.at("alice"), password)) is grpc.StatusCode.UNAVAILABLE
    servers.close()


async def test_the_readers_password_is_kept_and_never_told(house: House, slapd: Slapd, url: str) -> None:
    await keep(house, url, slapd)
    # All but the password anew.
    await keep(house, url, slapd, None, filter="(uid={local_part})")
    shown = (await house.ldap.GetLdapSource(ldap.GetLdapSourceRequest(tenant=house.tenant))).source
    assert (shown.has_bind_password, shown.filter) == (True, "(uid={local_part})")
    assert READER_PASSWORD not in str(shown)
    assert await enter(house, "alice", "pw-alice") == GRANTED
    missing = ldap.GetLdapSourceRequest(tenant=house.other)
    assert await refusal(house.ldap.GetLdapSource(missing)) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "http://ldap.example"},
        {"url": "ldap://"},
        {"url": "ldaps://user@ldap.example"},
        {"url": "ldaps://ldap.example/dc=x??sub"},
        {"url": "ldaps://ldap.example:99999"},
        {"base_dn": ""},
        {"base_dn": "no name"},
        {"bind_dn": "no name"},
        {"filter": "(uid=alice)"},
        {"filter": "(uid={password})"},
        {"filter": "(uid={address.__class__})"},
        {"filter": "(uid={)"},
        {"filter": "uid={address}"},
        {"secret": ""},
    ],
    ids=str,
)
async def test_what_is_no_source(house: House, slapd: Slapd, bad: dict[str, str]) -> None:
    call = keep(house, **{"url": "ldaps://ldap.example", "slapd": slapd, **bad})  # type: ignore[arg-type]
    assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_right_passwords_are_remembered_for_a_moment(house: House, tmp_path: Path) -> None:
    with running_slapd(tmp_path, DOMAIN, PEOPLE) as own:
        await keep(house, f"ldaps://localhost:{own.tls_port}", own)
        assert await enter(house, "alice", "pw-alice") == GRANTED
    assert await enter(house, "alice", "pw-alice") == GRANTED
    assert await refusal(enter(house, "alice", "another")) is grpc.StatusCode.UNAVAILABLE


class Ticks:
    """What `time` is to the directory."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_a_password_that_was_wrong_may_be_right_a_minute_later(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells us of a new one: not longer than that it is refused without being looked at."""
    ticks = Ticks()
    monkeypatch.setattr(signing_in, "time", ticks)

    async def enter_again(password: str) -> "wire.Verdict.ValueType":
        return (await house.log_in(house.at("alice"), password, client_address="203.0.113.90")).verdict

    with running_slapd(tmp_path, DOMAIN, PEOPLE) as own:
        await keep(house, f"ldaps://localhost:{own.tls_port}", own)
        assert await enter_again("her new one") == DENIED
        own.set_password("alice", "her new one")
        assert await enter_again("her new one") == DENIED
        ticks.now += 61
        assert await enter_again("her new one") == GRANTED


async def test_a_password_that_is_kept_is_not_said_to_another_server(house: House, slapd: Slapd) -> None:
    """An administrator who does not know it could name a server of its own, and be told."""
    url = f"ldaps://localhost:{slapd.tls_port}"
    await keep(house, url, slapd)
    for other in ("ldaps://elsewhere.example", f"ldap://localhost:{slapd.port}", "ldaps://localhost:1"):
        code = await refusal(keep(house, other, slapd, None))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, other
    shown = (await house.ldap.GetLdapSource(ldap.GetLdapSourceRequest(tenant=house.tenant))).source
    assert (shown.url, shown.has_bind_password) == (url, True)
    # Without it, or with a new one, any server may be named.
    await keep(house, "ldaps://elsewhere.example", slapd, None, bind_dn="")
    shown = (await house.ldap.GetLdapSource(ldap.GetLdapSourceRequest(tenant=house.tenant))).source
    assert (shown.url, shown.has_bind_password) == ("ldaps://elsewhere.example", False)
    await keep(house, url, slapd, "another")


async def test_a_proof_of_our_password_that_was_begun_before_is_worth_nothing(
    house: House, slapd: Slapd
) -> None:
    who = {"login": house.at("alice"), "door": "imap", "client_address": "198.51.77.1"}
    offer = await house.ask.StartScram(wire.StartScramRequest(**who))
    [candidate] = offer.candidates
    proven = wire.FinishScramRequest(**who, credential_id=candidate.credential_id)
    assert (await house.ask.FinishScram(proven)).answer.verdict == GRANTED
    await keep(house, f"ldaps://localhost:{slapd.tls_port}", slapd)
    assert (await house.ask.FinishScram(proven)).answer.verdict == DENIED
