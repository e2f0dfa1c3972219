"""OpenDKIM as a milter: what it verifies it writes down, what is forged it refuses, and what it signs holds where it goes."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from posthouse.stack.part import Part
from senderauth import Result, dkim
from senderauth.dkim import Algorithm, SigningKey
from smtp_gateway.adapters.configured import hooks_of
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.hook_settings import HookSetting

from tests.support.daemons import Daemon
from tests.support.dnsserver import free_port
from tests.support.fake_gateway import FakeGate, converse
from tests.support.packages import needs
from tests.support.zone import Zone

pytestmark = needs("opendkim")
NOW = datetime.now(UTC)
KEYS = {
    algorithm: dkim.signing_key("peer.test", selector, dkim.generate_pem(algorithm))
    for selector, algorithm in (("rsa", Algorithm.RSA_SHA256), ("ed", Algorithm.ED25519_SHA256))
}
OURS_PEM = dkim.generate_pem(Algorithm.RSA_SHA256)
OURS = dkim.signing_key("foo.com", "ours", OURS_PEM)
PUBLISHED = {key.record_name: key.record for key in (*KEYS.values(), OURS)}
ZONE = Zone({name: {"TXT": text} for name, text in PUBLISHED.items()})
LETTER = b"From: x@peer.test\r\nTo: jones@foo.com\r\nSubject: one\r\n two\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nThe body.\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"


async def _listens(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return


@contextlib.contextmanager
def opendkim(folder: Path, mode: str) -> Iterator[tuple[Hooked, ...]]:
    """The daemon, and the hook that asks it."""
    port = free_port()
    records = folder / "records"
    records.write_text("".join(f"{name} {text}\n" for name, text in PUBLISHED.items()))
    (folder / "key.pem").write_bytes(OURS_PEM)
    (folder / "key.pem").chmod(0o600)
    lines = [
        f"Socket inet:{port}@127.0.0.1",
        f"Mode {mode}",
        f"TestDNSData file:{records}",
        f"KeyFile {folder / 'key.pem'}",
        "Domain foo.com",
        "Selector ours",
        "Canonicalization relaxed/relaxed",
        "InternalHosts 203.0.113.0/24",
        "AuthservID checks.test",
        "AlwaysAddARHeader yes",
        "On-BadSignature reject",
        "Background no",
        "Syslog no",
        "RequireSafeKeys no",
    ]
    (folder / "opendkim.conf").write_text("\n".join(lines) + "\n")
    part = Part(
        name="opendkim",
        argv=["/usr/sbin/opendkim", "-f", "-x", str(folder / "opendkim.conf")],
        folder=folder,
        ready=lambda: _listens(port),
        port=port,
    )
    with Daemon(part, folder / "opendkim.log"):
        yield hooks_of(
            [HookSetting(url=f"milter://127.0.0.1:{port}", doors=frozenset(("mx", "msa")), seconds=20.0)]
        )


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hooked, ...]]:
    with opendkim(tmp_path_factory.mktemp("verifier"), "v") as hooks:
        yield hooks


def bring(hooks: tuple[Hooked, ...], content: bytes) -> tuple[bytes, FakeGate]:
    chunks = [
        b"EHLO mx.peer.test\r\n",
        b"MAIL FROM:<x@peer.test>\r\n",
        b"RCPT TO:<jones@foo.com>\r\n",
        b"DATA\r\n",
    ]
    said, gate, _ = converse(Role.MX, [*chunks, content + b".\r\n"], hooks=hooks, client="198.51.100.9")
    return said.splitlines()[-1], gate


@pytest.mark.parametrize("key", KEYS.values(), ids=[each.value for each in KEYS])
def test_what_was_signed_by_us_is_verified_and_written_down(
    verifier: tuple[Hooked, ...], key: SigningKey
) -> None:
    signed = dkim.sign(LETTER, [key], now=NOW, lifetime_seconds=86_400) + LETTER
    said, gate = bring(verifier, signed)
    assert said.startswith(b"250 "), said
    [letter] = gate.letters
    found = re.sub(rb"\r\n[ \t]+", b" ", letter.trace_prefix)
    assert re.search(rb"Authentication-Results: checks\.test; *dkim=pass", found), found
    assert letter.content == signed


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.replace(b"The body.", b"Another body."),
        lambda content: content.replace(b"Subject: one", b"Subject: two"),
        lambda content: content.replace(b"From: x@", b"From: y@"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(
    verifier: tuple[Hooked, ...], spoil: Callable[[bytes], bytes]
) -> None:
    key = KEYS[Algorithm.RSA_SHA256]
    signed = dkim.sign(LETTER, [key], now=NOW, lifetime_seconds=86_400) + LETTER
    said, gate = bring(verifier, spoil(signed))
    assert said.startswith(b"550 5.7."), said
    assert not gate.letters


def test_what_nobody_signed_is_written_down_as_such(verifier: tuple[Hooked, ...]) -> None:
    said, gate = bring(verifier, LETTER)
    assert said.startswith(b"250 ")
    assert b"checks.test; dkim=none" in re.sub(rb"\r\n[ \t]+", b" ", gate.letters[0].trace_prefix)


def test_what_it_signs_holds(tmp_path: Path) -> None:
    letter = LETTER.replace(b"x@peer.test", b"jones@foo.com")
    chunks = [
        b"EHLO c.test\r\n",
        LOGIN,
        b"MAIL FROM:<jones@foo.com>\r\n",
        b"RCPT TO:<x@peer.test>\r\n",
        b"DATA\r\n",
    ]
    with opendkim(tmp_path, "s") as hooks:
        said, gate, _ = converse(
            Role.MSA, [*chunks, letter + b".\r\n"], hooks=hooks, client="203.0.113.7", in_tls=True
        )
    assert said.splitlines()[-1].startswith(b"250 "), said
    [sent] = gate.letters
    travelling = sent.trace_prefix + sent.added_fields + sent.content
    [result] = asyncio.run(dkim.verify(ZONE, travelling, now=NOW))
    assert (result.result, result.domain, result.selector) == (Result.PASS, "foo.com", "ours")
