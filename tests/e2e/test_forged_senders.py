"""Mail in the name of others: FORGED_MESSAGES of it (300; `make chaos` sends 10,000), refused for every reason that there is and taken
where it is found out too late, and nobody whose name was used hears of any of it. An honest sender hears of the same things.
"""

import os
import smtplib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.letters import plain
from tests.support.daemons import few_domains
from tests.support.dnsserver import DnsServer
from tests.support.managesieve import ManageSieve
from tests.support.packages import needs
from tests.support.platform import Platform
from tests.support.sink import SmtpSink
from tests.support.viruses import ENCODED, attachment, message, spam

pytestmark = [needs("clamd", package="clamav-daemon"), needs("rspamd")]
MESSAGES = int(os.environ.get("FORGED_MESSAGES", "300"))
AT_ONCE = 4
A_SESSION = 15
# Whose names are used: an owner who forbids it, one who advises against it, one who says nothing, one who cannot be understood.
VICTIMS = {
    "forbids.test": "v=spf1 -all",
    "advises.test": "v=spf1 ~all",
    "silent.test": "",
    "broken.test": "v=spf1 include:",
}
HONEST = "honest.test"
LOOP = b"Received: from a.test by b.test; Sat, 21 Nov 2026 12:00:00 +0000\r\n" * 51
VIRUS = attachment(b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n", ENCODED)


def text_of(name: str, recipient: str) -> bytes:
    return plain(name, "somebody@elsewhere.test", recipient).content


@dataclass(frozen=True)
class Way:
    """Mail of one kind: to whom, what, the codes of the answers that it may have, and whether an honest sender is told later."""

    recipient: str
    content: Callable[[str, str], bytes]
    codes: tuple[int, ...]
    is_told: bool = False
    others: tuple[str, ...] = ()


WAYS = {
    "unknown": Way("nobody@example.test", text_of, (550,)),
    "relay": Way("victim@far.test", text_of, (550,)),
    "full": Way("full@example.test", text_of, (452,)),
    "too large": Way(
        "nearly@example.test", lambda name, to: text_of(name, to) + (b"x" * 70 + b"\r\n") * 400, (452,)
    ),
    "virus": Way("bob@example.test", lambda name, _: message(name, VIRUS), (550,)),
    "spam": Way("bob@example.test", lambda name, _: spam(name), (550,)),
    "loop": Way("bob@example.test", lambda name, to: LOOP + text_of(name, to), (554,)),
    "two authors": Way(
        "bob@example.test", lambda name, to: b"From: x@y.test\r\n" + text_of(name, to), (550,)
    ),
    "bare line feed": Way("bob@example.test", lambda name, to: text_of(name, to) + b"a\nb\r\n", (550,)),
    "notices only": Way("SRS0=xxxx=yy=far.test=ann@example.test", text_of, (550,)),
    # These are found out later.
    "script refuses": Way("picky@example.test", text_of, (250,), is_told=True),
    "absent": Way("absent@example.test", text_of, (250,), is_told=True),
    "forwarded in vain": Way("friend@example.test", text_of, (250,), is_told=True),
    "script forwards in vain": Way("onward@example.test", text_of, (250,), is_told=True),
    "full for one of two": Way(
        "nearly@example.test",
        lambda name, to: text_of(name, to) + (b"x" * 70 + b"\r\n") * 400,
        (250,),
        is_told=True,
        others=("bob@example.test",),
    ),
    "no member": Way("list@example.test", text_of, (250,)),
}


class World:
    """One installation; `sink` takes mail for everybody but nowhere.test, which refuses all of it."""

    def __init__(self, platform: Platform, sink: SmtpSink) -> None:
        self.platform, self.sink = platform, sink

    def api(self, path: str, **fields: Any) -> None:
        with self.platform._api() as api:
            api.post(path, json=fields).raise_for_status()

    def bring(self, letters: list[tuple[str, str, str]]) -> Counter[tuple[str, int]]:
        """(way, sender, name) of each, in one session; the answers."""
        answers: Counter[tuple[str, int]] = Counter()
        with smtplib.SMTP("127.0.0.1", self.platform.ports.smtp, timeout=60) as session:
            # Without SIZE nobody says beforehand how large it is.
            session.helo("mx.stranger.test")
            for way, sender, name in letters:
                answers[way, self._send(session, WAYS[way], sender, name)] += 1
        return answers

    def _send(self, session: smtplib.SMTP, way: Way, sender: str, name: str) -> int:
        session.rset()
        code, _ = session.mail(sender)
        for recipient in (way.recipient, *way.others):
            if code != 250:
                return code
            code, _ = session.rcpt(recipient)
        if code != 250:
            return code
        # As it is: `data` would mend bare line feeds.
        assert session.docmd("DATA")[0] == 354
        session.send(way.content(name, way.recipient) + b".\r\n")
        return session.getreply()[0]

    def sent_to(self, domain: str) -> list[bytes]:
        """What came for this domain."""
        return [
            taken.content
            for taken in list(self.sink.taken)
            if any(f"@{domain}>" in line.lower() for line in taken.recipients)
        ]

    def waiting(self) -> int:
        """Messages that are accepted and not settled."""
        port = self.platform.ports.nats_monitor
        told = httpx.get(f"http://127.0.0.1:{port}/jsz?accounts=true&streams=true", trust_env=False).json()
        streams = [each for account in told["account_details"] for each in account.get("stream_detail", ())]
        return sum(each["state"]["messages"] for each in streams if each["name"] == "MAIL")


def eventually(find: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def run(platform: Platform, name: str, script: str) -> None:
    account = platform.account(name)
    with ManageSieve(platform.ports.managesieve, account.address, account.password) as client:
        client.run(script)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    domains = few_domains(tmp_path_factory.mktemp("domains"))
    domains.parent.chmod(0o755)
    with DnsServer() as dns, SmtpSink() as sink, SmtpSink(host="127.0.0.2", port=sink.port) as refusing:
        refusing.script["RCPT"] = "550 5.1.1 nobody here"
        dns.mx("nowhere.test", "mx.nowhere.test", "127.0.0.2")
        for domain, spf in {**VICTIMS, HONEST: "v=spf1 ip4:127.0.0.1 -all", "far.test": ""}.items():
            dns.mx(domain, f"mx.{domain}")
            if spf:
                dns.txt(domain, spf)
        settings = {
            "RSPAMD_TOP_LEVEL_DOMAINS_FILE": str(domains),
            "SMTP_GATEWAY_DNS_SERVERS": dns.address,
            "SMTP_GATEWAY_SENDER_CHECKS_EXEMPT": "[]",
        }
        with Platform.start(
            tmp_path_factory.mktemp("forged"),
            dns_server=dns.address,
            relay_port=sink.port,
            settings=settings,
            scanners=("clamav", "rspamd"),
        ) as platform:
            world = World(platform, sink)
            prepare(world)
            yield world


def prepare(world: World) -> None:
    platform = world.platform
    platform.create_accounts(["full", "nearly", "picky", "absent", "onward"])
    platform.choose("tenants/demo/policy", scan_before_accepting=True)
    run(platform, "picky", 'require "reject";\r\nreject "I want nothing";\r\n')
    run(platform, "absent", 'require "vacation";\r\nvacation :days 1 "I am away";\r\n')
    run(platform, "onward", 'redirect "joe@nowhere.test";\r\n')
    world.api("/v1/aliases", address="friend@example.test", targets=["ann@nowhere.test"])
    world.api("/v1/lists", address="list@example.test", name="A list", owners=["bob@example.test"])
    platform.choose("accounts/nearly@example.test/settings", quota_octets=60_000)
    for name, octets in (("nearly", 54_500), ("full", 3_000)):
        fill(world, f"{name}@example.test", octets)
    platform.choose("accounts/full@example.test/settings", quota_octets=1_000)
    fill(world, "full@example.test", 100)
    eventually(lambda: refuses(world, "full@example.test"))
    eventually(lambda: refuses(world, "nearly@example.test", "size=30000"))


def fill(world: World, address: str, octets: int) -> None:
    """A notice: nobody hears of what becomes of it."""
    with smtplib.SMTP("127.0.0.1", world.platform.ports.smtp, timeout=60) as session:
        session.helo("mx.stranger.test")
        session.sendmail("", [address], text_of("filling", address) + (b"x" * 70 + b"\r\n") * (octets // 72))


def refuses(world: World, address: str, *options: str) -> bool:
    with smtplib.SMTP("127.0.0.1", world.platform.ports.smtp, timeout=60) as session:
        session.ehlo("mx.stranger.test")
        session.mail("", options)
        return session.rcpt(address)[0] == 452


def test_nobody_hears_of_mail_that_others_sent_in_his_name(world: World) -> None:
    names = list(WAYS)
    letters = [
        (names[number % len(names)], f"victim{number}@{list(VICTIMS)[number % 4]}", f"forged-{number}")
        for number in range(MESSAGES)
    ]
    sessions = [letters[at : at + A_SESSION] for at in range(0, len(letters), A_SESSION)]
    answers: Counter[tuple[str, int]] = Counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each in pool.map(world.bring, sessions):
            answers += each
    print({way: {code: count for (name, code), count in answers.items() if name == way} for way in names})
    assert answers.total() == MESSAGES
    assert {(way, code) for way, code in answers if code not in WAYS[way].codes} == set()
    # Who is who he says hears of all that.
    told = [way for way in names if WAYS[way].is_told]
    for way in told:
        assert world.bring([(way, f"{way.replace(' ', '-')}@{HONEST}", f"honest-{way}")]) == {(way, 250): 1}
    eventually(lambda: len(world.sent_to(HONEST)) == len(told))
    eventually(lambda: world.waiting() == 0, 300.0)
    assert {domain: world.sent_to(domain) for domain in VICTIMS} == {domain: [] for domain in VICTIMS}
    assert len(world.sink.taken) == len(told)
