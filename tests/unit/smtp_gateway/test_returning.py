"""Bounces of what we forwarded: whose they are, and who may send them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from directoryclient import DirectoryClient, Disposition, Resolution, Target
from mailproto.smtp.body import BodyType
from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT
from mailproto.smtp.reply import Charset
from mailproto.smtp.server_commands import Rcpt
from senderauth.srs import Srs
from smtp_gateway.adapters.returning import ReturningDirectory
from smtp_gateway.core.roles import NOTICES_ONLY, RECIPIENT_OK, Role, Transaction

NOW = datetime.now(UTC)
SECRETS = [b"a secret of this test"]
TENANT = "00000000-0000-4000-8000-000000000001"
LOCAL = Resolution(Disposition.DELIVER, (Target("joe@ours.test", "account", TENANT),), TENANT)


async def plain(self: DirectoryClient, addresses: Sequence[str]) -> list[Resolution]:
    """joe@ours.test is here; all.test has a catch-all; the rest is far away."""
    found = {"joe@ours.test": LOCAL}
    domains = {
        "ours.test": Resolution(Disposition.UNKNOWN, (), TENANT),
        "all.test": replace_domain(LOCAL),
    }
    return [
        found.get(each) or domains.get(each.rpartition("@")[2]) or Resolution(Disposition.REMOTE, ())
        for each in addresses
    ]


def replace_domain(found: Resolution) -> Resolution:
    return Resolution(found.disposition, (Target("any@all.test", "account", TENANT),), TENANT)


@pytest.fixture
async def directory(monkeypatch: pytest.MonkeyPatch) -> ReturningDirectory:
    monkeypatch.setattr(DirectoryClient, "resolve", plain)
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    return ReturningDirectory(channel, hears_changes=lambda: True, secrets=SECRETS, today=lambda: NOW)


def rewritten(
    address: str, domain: str = "ours.test", *, days_ago: int = 0, secret: bytes = SECRETS[0]
) -> str:
    made = Srs(domain, [secret]).rewrite(address, now=NOW - timedelta(days=days_ago))
    assert isinstance(made, str)
    return made


async def test_a_bounce_goes_on_to_who_sent(directory: ReturningDirectory) -> None:
    for domain in ("ours.test", "all.test"):
        given = rewritten("a@far.test", domain)
        away, known = await directory.resolve([given, "joe@ours.test"])
        assert away == Resolution(Disposition.DELIVER, (Target("a@far.test", None, TENANT),), TENANT)
        assert known == LOCAL


async def test_a_sender_of_ours_has_it_in_his_mailbox(directory: ReturningDirectory) -> None:
    [found] = await directory.resolve([rewritten("joe@ours.test", "all.test")])
    assert found == LOCAL


@pytest.mark.parametrize(
    "address",
    [
        rewritten("a@far.test", secret=b"another's secret"),
        rewritten("a@far.test", days_ago=30),
        rewritten("a@far.test").replace("=a@", "=b@"),
        "SRS0=@ours.test",
        "SRS0-is-a-name@ours.test",
    ],
)
async def test_what_is_not_ours_is_unknown(directory: ReturningDirectory, address: str) -> None:
    [found] = await directory.resolve([address])
    assert found.disposition is Disposition.UNKNOWN


@pytest.mark.parametrize(("reverse_path", "reply"), [("", RECIPIENT_OK), ("a@spam.test", NOTICES_ONLY)])
async def test_only_notices_go_back_this_way(
    directory: ReturningDirectory, reverse_path: str, reply: object
) -> None:
    given = rewritten("a@far.test")
    [found] = await directory.resolve([given])
    transaction = Transaction(reverse_path, BodyType.SEVEN_BIT, Charset.ASCII, 10, MESSAGE_DEFAULT)
    assert transaction.add(Role.MX, Rcpt(given, RECIPIENT_DEFAULT), found, None) == reply
