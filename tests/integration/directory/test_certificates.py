"""Certificates of clients over gRPC: an account's own, and those of an authority of its tenant."""

import itertools
from datetime import datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mailwire.directory.v1 import certificate_pb2 as certificate
from mailwire.directory.v1 import directory_pb2 as wire

from .conftest import House

GRANTED, DENIED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED
places = itertools.count(1)


class Authority:
    """Makes certificates. `now` is the time of the test."""

    def __init__(self, now: datetime, name: str = "an authority") -> None:
        self.now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key, now + timedelta(days=365))
        self.own = (
            builder.add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(usage, True)
            .sign(self._key, SHA256())
        )
        self.pem = self.own.public_bytes(Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
    ) -> x509.CertificateBuilder:
        mine = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(hours=1))
            .not_valid_after(until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(mine), False)
        )

    def make(self, *addresses: str, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH) -> bytes:
        """A client's, for a month, with these addresses in it. DER."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a client")])
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key, self.now + timedelta(days=30))
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        if addresses:
            names = [x509.RFC822Name(each) for each in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.DER)


def pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


@pytest.fixture
def authority(house: House) -> Authority:
    return Authority(house.clock.now)


async def show(house: House, der: bytes, login: str = "") -> wire.AuthenticateResponse:
    number = next(places)
    answer = await house.ask.AuthenticateCertificate(
        wire.AuthenticateCertificateRequest(
            login=login,
            certificate=der,
            door="imap",
            client_address=f"198.19.{number // 250}.{number % 250}",
        )
    )
    decided: wire.AuthenticateResponse = answer.answer
    return decided


async def add(house: House, account: str, der: bytes) -> certificate.ClientCertificate:
    answer = await house.certificates.AddClientCertificate(
        certificate.AddClientCertificateRequest(account=account, name="laptop", certificate=pem(der))
    )
    made: certificate.ClientCertificate = answer.certificate
    return made


async def trust(house: House, authority: Authority, tenant: str = "") -> None:
    request = certificate.AddClientAuthorityRequest(
        tenant=tenant or house.tenant, name="ours", certificate=authority.pem
    )
    await house.certificates.AddClientAuthority(request)


async def test_an_accounts_own_certificate_lets_it_in_until_it_ends(
    house: House, authority: Authority
) -> None:
    await house.account(house.at("alice"))
    await house.account(house.at("bob"))
    der = authority.make()
    assert (await show(house, der, house.at("alice"))).verdict == DENIED
    made = await add(house, house.at("alice"), der)
    for login in ("", house.at("alice"), house.at("ALICE")):
        answer = await show(house, der, login)
        assert (answer.verdict, answer.identity.address) == (GRANTED, house.at("alice"))
        assert answer.remember_seconds == 30 * 86_400
        guest = wire.Guest(account_id=answer.identity.account_id, credential=answer.credential)
    barred = wire.FindBarredRequest(guests=[guest])
    assert not (await house.ask.FindBarred(barred)).guests
    assert (await show(house, der, house.at("bob"))).verdict == DENIED
    assert (await show(house, authority.make(), house.at("alice"))).verdict == DENIED
    await house.certificates.DeleteClientCertificate(
        certificate.DeleteClientCertificateRequest(
            account=house.at("alice"), fingerprint=made.fingerprint.upper()
        )
    )
    assert list((await house.ask.FindBarred(barred)).guests) == [guest]
    assert (await show(house, der, house.at("alice"))).verdict == DENIED
    await add(house, house.at("alice"), der)
    house.clock.advance(30 * 86_400)
    assert (await show(house, der, house.at("alice"))).verdict == DENIED


async def test_an_authority_of_the_tenant_says_who_somebody_is(house: House, authority: Authority) -> None:
    await house.account(house.at("alice"))
    await house.account(house.at("bob"))
    der = authority.make(house.at("Alice"))
    assert (await show(house, der)).verdict == DENIED, "nobody trusts it yet"
    await trust(house, authority)
    assert (await show(house, der)).identity.address == house.at("alice")
    assert (await show(house, der, house.at("alice"))).verdict == GRANTED
    assert (await show(house, der, house.at("bob"))).verdict == DENIED
    both = authority.make(house.at("alice"), house.at("bob"))
    assert (await show(house, both)).verdict == DENIED, "it must be said who"
    assert (await show(house, both, house.at("bob"))).identity.address == house.at("bob")
    for wrong in (
        Authority(house.clock.now).make(house.at("alice")),
        authority.make(house.at("alice"), usage=ExtendedKeyUsageOID.SERVER_AUTH),
        authority.make(),
        authority.own.public_bytes(Encoding.DER),
        b"",
        b"\x30\x03\x02\x01\x01",
        der[:-1],
        b"x" * 20_000,
    ):
        assert (await show(house, wrong)).verdict == DENIED
        assert (await show(house, wrong, house.at("alice"))).verdict == DENIED
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("alice"), suspended=True))
    assert (await show(house, der)).verdict == DENIED


async def test_an_authority_speaks_for_its_own_tenant_only(house: House, authority: Authority) -> None:
    theirs = f"theirs.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=theirs, tenant=house.other))
    await house.account(f"alice@{theirs}")
    await trust(house, authority)
    assert (await show(house, authority.make(f"alice@{theirs}"))).verdict == DENIED
    await trust(house, authority, house.other)
    assert (await show(house, authority.make(f"alice@{theirs}"))).verdict == GRANTED


async def test_a_certificate_that_two_accounts_have_needs_a_name(house: House, authority: Authority) -> None:
    """It is no secret: whoever has seen it can add it to an account of his own."""
    der = authority.make()
    for name in ("alice", "mallory"):
        await house.account(house.at(name))
        await add(house, house.at(name), der)
    assert (await show(house, der)).verdict == DENIED
    assert (await show(house, der, house.at("alice"))).identity.address == house.at("alice")


async def test_what_is_no_certificate_for_that(house: House, authority: Authority) -> None:
    await house.account(house.at("alice"))
    old = Authority(house.clock.now - timedelta(days=60)).make()
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for text in ("", "no PEM", authority.pem, pem(old)):
        request = certificate.AddClientCertificateRequest(
            account=house.at("alice"), name="x", certificate=text
        )
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await house.certificates.AddClientCertificate(request)
        assert error.value.code() is invalid
    leaf = certificate.AddClientAuthorityRequest(
        tenant=house.tenant, name="x", certificate=pem(authority.make())
    )
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await house.certificates.AddClientAuthority(leaf)
    assert error.value.code() is invalid
    der = authority.make()
    await add(house, house.at("alice"), der)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await add(house, house.at("alice"), der)
    assert error.value.code() is grpc.StatusCode.ALREADY_EXISTS
    listed = await house.certificates.ListClientCertificates(
        certificate.ListClientCertificatesRequest(account=house.at("alice"))
    )
    assert [each.subject for each in listed.certificates] == ["CN=a client"]
