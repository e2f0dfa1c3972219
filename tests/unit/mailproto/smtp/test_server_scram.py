"""AUTH SCRAM-SHA-256 through the SMTP machine: in with a right proof, out with everything else."""

import pytest
from mailproto.sasl.scram import derive
from mailproto.sasl.scram_exchange import SCRAM_MECHANISMS, Candidate, Offer
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import ServerConfig

from tests.support.scram import ScramClient

SALT = b"salt of sixteen."
WELCOME = Reply.of(235, "2.7.0", "Welcome")
WRONG = Reply.of(535, "5.7.8", "Wrong")
LATER = Reply.of(454, "4.7.0", "Later")


class Talk:
    """The machine with a driver that knows alice."""

    def __init__(self, offer: Offer | None = None) -> None:
        keys = derive("right", SALT, 4096)
        self.offer = offer or Offer(SALT, 4096, [Candidate("c1", keys.stored_key, keys.server_key)])
        self.proven: list[tuple[str, str]] = []
        self.away = False
        self.closed = False
        self.machine = ServerMachine(
            ServerConfig(hostname="mx.test", size_limit_octets=1000, mechanisms=SCRAM_MECHANISMS),
            offers_tls=False,
            offers_auth=True,
        )
        self.machine.greet()
        self("EHLO client.test")

    def __call__(self, line: str | bytes) -> str:
        """What the server says to a line."""
        self.machine.feed((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        while (event := self.machine.next_event()) is not None:
            if isinstance(event, events.ScramAsked):
                if self.away:
                    self.machine.answer(LATER)
                else:
                    self.machine.scram_offered(self.offer)
            elif isinstance(event, events.ScramProven):
                self.proven.append((event.login, event.credential_id))
                self.machine.answer(WELCOME if event.credential_id else WRONG)
            elif isinstance(event, events.MailAsked):
                self.machine.answer(Reply.of(250, "2.1.0", "Go on"))
            elif isinstance(event, events.Closing):
                self.closed = True
                break
        return self.machine.output().decode().removesuffix("\r\n")

    def as_far_as_the_proof(self, password: str) -> tuple[ScramClient, str]:
        client = ScramClient("alice@foo.com", password)
        said = self(b"AUTH SCRAM-SHA-256 " + client.first())
        assert said.startswith("334 ")
        return client, self(client.answer(said[4:].encode()))


def test_the_server_proves_itself_before_it_says_welcome() -> None:
    talk = Talk()
    client, said = talk.as_far_as_the_proof("right")
    client.check(said.removeprefix("334 ").encode())
    assert not talk.machine.authenticated
    assert talk("") == "235 2.7.0 Welcome"
    assert talk.machine.authenticated
    assert talk.proven == [("alice@foo.com", "c1")]
    assert talk("AUTH SCRAM-SHA-256").startswith("503")
    assert talk("MAIL FROM:<alice@foo.com>").startswith("250")


def test_without_an_initial_response() -> None:
    talk = Talk()
    client = ScramClient("alice@foo.com", "right")
    assert talk("AUTH SCRAM-SHA-256").rstrip() == "334"
    said = talk(client.first())
    client.check(talk(client.answer(said[4:].encode()))[4:].encode())
    assert talk("=").startswith("235")


@pytest.mark.parametrize("offer", [None, Offer(SALT, 4096, [])])
def test_a_wrong_proof_is_a_wrong_password(offer: Offer | None) -> None:
    talk = Talk(offer)
    assert talk.as_far_as_the_proof("wrong")[1] == "535 5.7.8 Wrong"
    assert talk.proven == [("alice@foo.com", "")]
    assert not talk.machine.authenticated
    # A command is a command again.
    assert talk("NOOP").startswith("250")


def test_a_directory_that_is_away_is_no_wrong_password() -> None:
    talk = Talk()
    talk.away = True
    client = ScramClient("alice@foo.com", "right")
    assert talk(b"AUTH SCRAM-SHA-256 " + client.first()) == "454 4.7.0 Later"
    assert talk("NOOP").startswith("250")
    talk.away = False
    talk.as_far_as_the_proof("right")
    assert talk("").startswith("235")


@pytest.mark.parametrize("line", ["*", "bm9uc2Vuc2U=", "!!!"])
def test_what_is_no_scram_ends_it(line: str) -> None:
    talk = Talk()
    assert talk("AUTH SCRAM-SHA-256").startswith("334")
    assert talk(line).startswith("501 5.5.2")
    talk = Talk()
    talk(b"AUTH SCRAM-SHA-256 " + ScramClient("alice@foo.com", "right").first())
    assert talk(line).startswith("501 5.5.2")
    assert talk.proven == []


@pytest.mark.parametrize("line", ["*", "a\rb", "a\0b", "x" * 20_000])
def test_who_breaks_off_at_the_end_is_sent_away(line: str) -> None:
    talk = Talk()
    talk.as_far_as_the_proof("right")
    assert talk(line).startswith("421")
    assert talk.closed
    assert not talk.machine.authenticated
