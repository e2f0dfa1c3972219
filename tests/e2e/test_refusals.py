"""What is refused is refused in the dialogue, and what is unwell says 451 and never 250."""

import smtplib
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Apart
from tests.e2e.letters import plain
from tests.support.platform import Platform


@pytest.fixture
def world(platform: Platform) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp, timeout=90) as session:
        session.ehlo("client.invalid")
        yield session


def test_an_unknown_recipient(world: smtplib.SMTP, platform: Platform) -> None:
    world.mail("x@peer.invalid")
    code, text = world.rcpt(f"nobody@{platform.domain}")
    assert (code, text[:5]) == (550, b"5.1.1")


RELAY_FORMS = [
    "victim@elsewhere.test",
    "victim%elsewhere.test@{ours}",
    '"victim@elsewhere.test"@{ours}',
    '"victim%elsewhere.test"@{ours}',
    "@{ours}:victim@elsewhere.test",
    "elsewhere.test!victim@{ours}",
    '"elsewhere.test!victim"@{ours}',
    "victim@elsewhere.test@{ours}",
    "victim@[127.0.0.1]",
    "victim@[192.0.2.1]",
    "victim@localhost",
    '"victim"@elsewhere.test',
    "elsewhere.test!victim",
    "victim%elsewhere.test",
    '"victim@elsewhere.test"',
    "@{ours},@other.test:victim@elsewhere.test",
    "victim@elsewhere.test.",
    "victim@ELSEWHERE.TEST",
    "victim(comment)@elsewhere.test",
    "victim@elsewhere.test%{ours}",
    "alice%elsewhere.test@[127.0.0.1]",
]


@pytest.mark.parametrize("form", RELAY_FORMS)
def test_no_relay_for_strangers(world: smtplib.SMTP, platform: Platform, form: str) -> None:
    world.mail("x@peer.invalid")
    code, text = world.docmd(f"RCPT TO:<{form.format(ours=platform.domain)}>")
    assert 500 <= code <= 559, (code, text)
    world.rset()


def test_a_plain_relay_attempt_is_told_5_7_1(world: smtplib.SMTP) -> None:
    world.mail("x@peer.invalid")
    code, text = world.rcpt("victim@elsewhere.test")
    assert (code, text[:5]) == (550, b"5.7.1")


def test_submission_needs_a_login_and_an_owned_address(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.ehlo()
        assert session.mail(alice.address)[0] == 530
        session.login(alice.address, alice.password)
        session.mail(bob.address)
        code, text = session.rcpt("x@elsewhere.test")
        refused = (code, text[:5]) == (550, b"5.7.1")
        if not refused:
            code, text = session.docmd(f"MAIL FROM:<{bob.address}>")
        assert code in (503, 550)


@pytest.mark.parametrize("part", ["postgres", "nats", "seaweedfs"])
def test_a_store_that_is_away_means_451_and_comes_back(apart: Apart, part: str) -> None:
    platform = apart.platform
    bob = platform.account("bob")
    letter = plain(f"while-{part}-is-away", "x@peer.invalid", bob.address)
    with platform.held_down(part):
        answers = attempts(platform, bob.address, letter.content, 3)
    assert all(400 <= code < 500 for code in answers), answers
    deadline = time.monotonic() + 60
    while attempts(platform, bob.address, letter.content, 1) != [250]:
        assert time.monotonic() < deadline, f"{part} came back and the gate did not"
        time.sleep(0.2)
    platform.wait_ready()


def attempts(platform: Platform, recipient: str, content: bytes, count: int) -> list[int]:
    """The deciding answer of each try: the first that is not positive, else that to the final dot."""
    codes = []
    for _ in range(count):
        try:
            with smtplib.SMTP("127.0.0.1", platform.ports.smtp, timeout=90) as session:
                session.sendmail("x@peer.invalid", [recipient], content)
                codes.append(250)
        except smtplib.SMTPRecipientsRefused as refused:
            codes.append(next(iter(refused.recipients.values()))[0])
        except smtplib.SMTPResponseException as refused:
            codes.append(refused.smtp_code)
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            codes.append(421)
    return codes
