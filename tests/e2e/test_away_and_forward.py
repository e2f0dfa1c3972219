"""What accounts wish of their mail without a script: forwarding and answers while they are away."""

import email
import time

import httpx

from tests.e2e.letters import after_trace
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.e2e.test_sieve import imap, mailbox, send, sieve
from tests.support.platform import Account, Platform


def wish(platform: Platform, account: Account, **settings: object) -> None:
    platform.choose(f"accounts/{account.address}/settings", **settings)


def subjects(platform: Platform, account: Account, count: int, name: str = "INBOX") -> list[str]:
    found = mailbox(platform, account, name, count)
    return sorted(str(email.message_from_bytes(each)["Subject"]) for _, each in found)


def is_empty(platform: Platform, account: Account) -> bool:
    with imap(platform, account) as session:
        return bool(session.select("INBOX", readonly=True)[1] == [b"0"])


def test_two_who_are_away_answer_each_other_once_at_most(platform: Platform) -> None:
    users = platform.create_accounts(["sea", "snow"])
    for user in users:
        wish(platform, user, vacation=True, vacation_subject="away", vacation_text="Back on Monday.\nBye.")
    for number in range(3):
        send(platform, users[0].address, users[1].address, f"anybody-there-{number}")
    answer = email.message_from_bytes(wait_for_subject(platform, users[0].address, users[0].password, "away"))
    assert (answer["Auto-Submitted"], answer["Return-Path"]) == ("auto-replied", "<>")
    assert b"Back on Monday.\r\nBye." in answer.as_bytes().replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")
    # What is sent after the answer is filed after it: an answer to the answer would be here by then.
    send(platform, "x@peer.invalid", users[0].address, "the last one")
    wait_for_subject(platform, users[0].address, users[0].password, "the last one")
    assert subjects(platform, users[0], 2) == ["away", "the last one"]
    assert len(subjects(platform, users[1], 3)) == 3
    # Who is back answers nobody.
    wish(platform, users[1], vacation=False)
    send(platform, "y@peer.invalid", users[1].address, "still away?")
    wait_for_subject(platform, users[1].address, users[1].password, "still away?")


def test_mail_goes_on_with_a_copy_without_one_and_not_in_a_circle(platform: Platform) -> None:
    first, second, third = platform.create_accounts(["hop1", "hop2", "hop3"])
    wish(platform, first, forward_to=[second.address, third.address])
    wish(platform, second, forward_to=[first.address], forward_without_copy=True)
    sent = send(platform, "x@peer.invalid", first.address, "round trip")
    for user in (first, third):
        arrived = wait_for_subject(platform, user.address, user.password, "round trip")
        assert after_trace(arrived, sent) == sent
    # second had it and sent it back; first had seen it already and keeps it: nothing is lost and nothing goes round.
    deadline = time.monotonic() + 20
    while len(mailbox(platform, first, "INBOX", 1)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(mailbox(platform, first, "INBOX", 2)) == 2
    assert is_empty(platform, second)
    assert subjects(platform, third, 1) == ["round trip"]


def test_a_users_script_comes_first(platform: Platform) -> None:
    user, other = platform.create_accounts(["scripted", "forwarded-to"])
    wish(platform, user, forward_to=[other.address], forward_without_copy=True)
    with sieve(platform, user) as client:
        client.run(
            'require ["fileinto", "reject"];\r\n'
            'if header :contains "Subject" "secret" { discard; }\r\n'
            'elsif header :contains "Subject" "offer" { reject "no"; }\r\n'
            'elsif header :contains "Subject" "work" { fileinto "Archive"; }\r\n'
        )
    for name in ("a secret", "an offer", "some work", "anything else"):
        send(platform, "x@peer.invalid", user.address, name)
    wait_for_subject(platform, other.address, other.password, "anything else")
    wait_for_subject(platform, other.address, other.password, "some work")
    assert subjects(platform, other, 2) == ["anything else", "some work"]
    assert subjects(platform, user, 1, "Archive") == ["some work"]
    assert is_empty(platform, user)


def test_mail_that_could_go_nowhere_is_kept(platform: Platform) -> None:
    user, gone = platform.create_accounts(["hopeful", "soon-gone"])
    wish(platform, user, forward_to=[gone.address], forward_without_copy=True)
    url = f"http://127.0.0.1:{platform.ports.admin}/v1/accounts/{gone.address}"
    token = platform.layout.token_file.read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.delete(url, headers=headers, trust_env=False).status_code == 204
    send(platform, "x@peer.invalid", user.address, "for nobody else")
    wait_for_subject(platform, user.address, user.password, "for nobody else")


def test_what_is_taken_for_junk_is_neither_sent_on_nor_answered(platform: Platform) -> None:
    user, other, sender = platform.create_accounts(["annoyed", "spared", "blocked-one"])
    wish(platform, user, forward_to=[other.address], vacation=True, vacation_text="Away.")
    platform.choose("tenants/demo/policy", blocked_senders=[sender.address])
    try:
        send(platform, sender.address, user.address, "buy this")
        assert subjects(platform, user, 1, "Junk") == ["buy this"]
    finally:
        platform.choose("tenants/demo/policy", blocked_senders=[])
    # What comes after it is through: so would be what came of the first one.
    send(platform, "friend@peer.invalid", user.address, "from a friend")
    wait_for_subject(platform, other.address, other.password, "from a friend")
    assert subjects(platform, other, 1) == ["from a friend"]
    assert is_empty(platform, sender), subjects(platform, sender, 1)
