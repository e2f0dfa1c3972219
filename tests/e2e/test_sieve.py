"""Users' scripts: put by ManageSieve, run at delivery."""

import email
import imaplib
import smtplib
import time

import pytest

from tests.e2e.letters import after_trace, plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.managesieve import ManageSieve
from tests.support.platform import Account, Platform


def sieve(platform: Platform, account: Account) -> ManageSieve:
    return ManageSieve(platform.ports.managesieve, account.address, account.password)


def send(platform: Platform, sender: str, recipient: str, name: str, text: bytes = b"hello\r\n") -> bytes:
    letter = plain(name, sender, recipient, text)
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.sendmail(sender, [recipient], letter.content)
    return letter.content


def imap(platform: Platform, account: Account) -> imaplib.IMAP4:
    session = imaplib.IMAP4("127.0.0.1", platform.ports.imap)
    session.login(account.address, account.password)
    return session


def mailbox(
    platform: Platform, account: Account, name: str, count: int, seconds: float = 30
) -> list[tuple[bytes, bytes]]:
    """(what FETCH says of flags, the message) of each, once there are so many."""
    deadline = time.monotonic() + seconds
    with imap(platform, account) as session:
        while time.monotonic() < deadline:
            answer, there = session.select(name, readonly=True)
            if answer == "OK" and there[0] != b"0":
                _, data = session.fetch("1:*", "(FLAGS BODY.PEEK[])")
                found = [item for item in data if isinstance(item, tuple)]
                if len(found) >= count:
                    return [(item[0], item[1]) for item in found]
            time.sleep(0.05)
    raise AssertionError(f"{name} did not get {count} messages")


def test_the_dialogue_of_managesieve(platform: Platform) -> None:
    user = platform.create_account("scripter")
    with sieve(platform, user) as client:
        assert b'"SASL"' in client.greeting
        assert b'"STARTTLS"' in client.greeting
        assert b"STARTTLS" not in client.capabilities
        assert b"fileinto" in client.capabilities
        assert client.logged_in.startswith(b"OK")
        wrong = client.put("bad", 'require "fileinto";\r\nkeep;\r\nfileinto 42;\r\n')
        assert wrong.startswith(b"NO")
        assert b"line 3" in wrong
        assert client.put("unknown", 'require "convert";').startswith(b"NO")
        assert client.say(b"LISTSCRIPTS") == b'OK "That is all"\r\n'
        client.run("keep;")
        assert client.put("other", "# nothing\r\n").startswith(b"OK")
        assert client.say(b"LISTSCRIPTS").startswith(b'"main" ACTIVE\r\n"other"\r\nOK')
        assert client.say(b'DELETESCRIPT "main"').startswith(b"NO (ACTIVE)")
        assert client.say(b'GETSCRIPT "other"').startswith(b"{11}\r\n# nothing\r\n\r\nOK")
    with sieve(platform, Account(user.address, "wrong password")) as client:
        assert client.logged_in.startswith(b"NO")


def test_scripts_are_put_looked_at_renamed_and_taken_away_as_the_rfc_says(platform: Platform) -> None:
    """The demands of RFC 5804 §2.5 to §2.13 on a server."""
    user = platform.create_account("rfc5804")
    with sieve(platform, user) as client:

        def refused(line: bytes, code: bytes = b"") -> None:
            answer = client.say(line)
            assert answer.startswith(b"NO (" + code if code else b"NO"), (line, answer)

        # §2.6: what fails does not touch what is there, and is not stored.
        assert client.put("main", "keep;").startswith(b"OK")
        assert client.put("main", 'fileinto "x";').startswith(b"NO")
        assert client.put("broken", "keep").startswith(b"NO")
        assert client.say(b'GETSCRIPT "main"').startswith(b"{5}\r\nkeep;\r\nOK")
        # §2.12, and RFC 5463 §4: an extension that is only asked for is no mistake.
        asking = b'require "ihave"; if ihave "vnd.nobody.has" { vnd_nobody; }'
        assert client.say(b"CHECKSCRIPT {%d+}\r\n%b" % (len(asking), asking)).startswith(b"OK")
        assert client.say(b"CHECKSCRIPT {5+}\r\nkeep ").startswith(b"NO")
        assert client.say(b'GETSCRIPT "checked"').startswith(b"NO")
        # §2.8, §2.9, §2.10: what is not there.
        refused(b'SETACTIVE "none"', b"NONEXISTENT")
        refused(b'GETSCRIPT "none"', b"NONEXISTENT")
        refused(b'DELETESCRIPT "none"', b"NONEXISTENT")
        refused(b'RENAMESCRIPT "none" "other"', b"NONEXISTENT")
        # §2.8: none is active, and that is no mistake.
        assert client.say(b'SETACTIVE ""').startswith(b"OK")
        # §2.11: an active one stays active; a name that is taken.
        assert client.put("second", "discard;").startswith(b"OK")
        assert client.say(b'SETACTIVE "main"').startswith(b"OK")
        refused(b'RENAMESCRIPT "main" "second"', b"ALREADYEXISTS")
        assert client.say(b'RENAMESCRIPT "main" "first"').startswith(b"OK")
        assert client.say(b"LISTSCRIPTS").startswith(b'"first" ACTIVE\r\n"second"\r\nOK')
        refused(b'DELETESCRIPT "first"', b"ACTIVE")
        # §2.5: there is room for a name that is there, and none for what is too large.
        assert client.say(b'HAVESPACE "first" 100').startswith(b"OK")
        refused(b'HAVESPACE "first" 99999999', b"QUOTA")
        # §1.6: 128 characters, whatever they weigh; never cut short.
        longest = "\u00f6" * 128
        assert client.put(longest, "keep;").startswith(b"OK")
        assert client.put(longest * 5, "keep;").startswith(b"NO")
        assert longest.encode() in client.say(b"LISTSCRIPTS")
        # §2.13, §2.14: NOOP with and without a tag; back to before the login.
        assert client.say(b'NOOP "a tag"').startswith(b'OK (TAG "a tag")')
        assert b"TAG" not in client.say(b"NOOP")
        assert b'"OWNER"' in client.say(b"CAPABILITY")
        assert client.say(b"UNAUTHENTICATE").startswith(b"OK")
        refused(b"LISTSCRIPTS")
        assert b'"OWNER"' not in client.say(b"CAPABILITY")
        assert client.say(b"LOGOUT").startswith(b"OK")


def test_a_script_files_flags_and_discards(platform: Platform) -> None:
    user = platform.create_account("filer")
    with sieve(platform, user) as client:
        client.run(
            'require ["fileinto", "mailbox", "imap4flags", "body", "variables", "copy"];\r\n'
            'if header :contains "Subject" "invoice" {\r\n'
            '  addflag ["\\\\Seen", "money"]; fileinto :create "Papers/2026";\r\n'
            '} elsif body :contains "unsubscribe" { discard;\r\n'
            '} elsif header :matches "Subject" "[*] *" { fileinto "Nowhere ${1}";\r\n'
            '} elsif header :contains "Subject" "both" { fileinto :copy "Archive"; }\r\n'
        )
    for name, text in (
        ("your invoice", b"pay\r\n"),
        ("an advertisement", b"to unsubscribe, reply\r\n"),
        ("[list] news", b"x\r\n"),
        ("both ways", b"x\r\n"),
        ("for the inbox", b"x\r\n"),
    ):
        send(platform, "x@peer.invalid", user.address, name, text)
    wait_for_subject(platform, user.address, user.password, "for the inbox")
    [(flags, message)] = mailbox(platform, user, '"Papers/2026"', 1)
    assert b"\\Seen" in flags
    assert b"money" in flags
    assert b"your invoice" in message
    assert len(mailbox(platform, user, "Archive", 1)) == 1
    subjects = sorted(
        str(email.message_from_bytes(each)["Subject"]) for _, each in mailbox(platform, user, "INBOX", 3)
    )
    # A mailbox that is not there means INBOX; what was discarded is nowhere.
    assert subjects == ["[list] news", "both ways", "for the inbox"]


def test_a_script_sees_the_detail_of_the_address_and_still_knows_whose_it_is(platform: Platform) -> None:
    user = platform.create_account("detailed")
    with sieve(platform, user) as client:
        client.run(
            'require ["envelope", "subaddress", "fileinto"];\r\n'
            'if allof (envelope :detail "to" "News", envelope :user "to" "detailed") { fileinto "Archive"; }\r\n'
        )
    name, _, domain = user.address.partition("@")
    send(platform, "x@peer.invalid", f"{name}+News@{domain}", "with a detail")
    send(platform, "x@peer.invalid", user.address, "without one")
    [(_, message)] = mailbox(platform, user, "Archive", 1)
    assert b"with a detail" in message
    wait_for_subject(platform, user.address, user.password, "without one")
    assert len(mailbox(platform, user, "INBOX", 1)) == 1


def test_a_redirect_arrives_octet_for_octet_and_does_not_go_round(platform: Platform) -> None:
    first, second = platform.create_accounts(["ping", "pong"])
    for user, other in ((first, second), (second, first)):
        with sieve(platform, user) as client:
            client.run(f'require "copy"; redirect :copy "{other.address}";')
    sent = send(platform, "x@peer.invalid", first.address, "round and round")
    for user in (first, second):
        arrived = wait_for_subject(platform, user.address, user.password, "round and round")
        assert after_trace(arrived, sent) == sent
    time.sleep(1)
    # ping keeps its own and the one that pong sent back, which goes no further.
    assert len(mailbox(platform, first, "INBOX", 1)) <= 2
    assert len(mailbox(platform, second, "INBOX", 1)) == 1


def test_two_on_holiday_answer_each_other_once_at_most(platform: Platform) -> None:
    users = platform.create_accounts(["beach", "hills"])
    for user in users:
        with sieve(platform, user) as client:
            client.run('require "vacation"; vacation :days 7 :subject "away" "I am at the sea.";')
    for number in range(3):
        send(platform, users[0].address, users[1].address, f"are-you-there-{number}")
    wait_for_subject(platform, users[1].address, users[1].password, "are-you-there-2")
    answer = email.message_from_bytes(wait_for_subject(platform, users[0].address, users[0].password, "away"))
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["Return-Path"] == "<>"
    assert answer["From"] == users[1].address
    assert str(answer["In-Reply-To"]).startswith("<are-you-there")
    time.sleep(1)
    assert len(mailbox(platform, users[0], "INBOX", 1)) == 1, "one answer for three letters"
    assert len(mailbox(platform, users[1], "INBOX", 3)) == 3, "no answer to an answer"


@pytest.mark.parametrize(
    ("command", "title", "said"),
    [
        # RFC 5429 §2.2.1 and §2.1.2.
        ("reject", "Refused mail", b"Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"),
        ("ereject", "Undelivered mail: returned to sender", b"Action: failed\r\nStatus: 5.7.1\r\n"),
    ],
)
def test_a_refusal_tells_the_sender_why(platform: Platform, command: str, title: str, said: bytes) -> None:
    [sender, user] = platform.create_accounts([f"seller-{command}", f"strict-{command}"])
    with sieve(platform, user) as client:
        client.run(f'require "{command}"; {command} "No offers, please.";')
    send(platform, sender.address, user.address, "an offer")
    notice = wait_for_subject(platform, sender.address, sender.password, title)
    assert b"refused by the recipient's mail filtering program. The reason given" in notice
    assert b"\r\n\r\nNo offers, please." in notice
    assert said in notice
    with imap(platform, user) as session:
        assert session.select("INBOX")[1] == [b"0"]


def test_answers_are_copied_and_lists_are_known(platform: Platform) -> None:
    [friend, user] = platform.create_accounts(["friendly", "listing"])
    with imap(platform, user) as session:
        book = f"Friend <{friend.address}>"
        entry = "/private/vendor/posthouse/addrbook/default"
        assert session.xatom("SETMETADATA", '""', f'({entry} "{book}")')[0] == "OK"
    with sieve(platform, user) as client:
        assert b'"EXTLISTS" "mailto urn"' in client.capabilities
        client.run(
            'require ["extlists", "fcc", "vacation", "fileinto", "imap4flags", "special-use"];\r\n'
            'if address :list "from" ":addrbook:default" {\r\n'
            '  vacation :subject "away" :fcc "Somewhere" :specialuse "\\\\Sent" :flags "\\\\Seen" "At the sea.";\r\n'
            '  redirect :list ":addrbook:default"; fileinto "Archive"; }\r\n'
        )
    send(platform, "x@peer.invalid", user.address, "from a stranger")
    sent = send(platform, friend.address, user.address, "from a friend")
    wait_for_subject(platform, user.address, user.password, "from a stranger")
    assert len(mailbox(platform, user, "Archive", 1)) == 1
    [(flags, copy)] = mailbox(platform, user, "Sent", 1)
    answer = wait_for_subject(platform, friend.address, friend.password, "away")
    assert b"\\Seen" in flags
    assert answer.endswith(copy)
    redirected = wait_for_subject(platform, friend.address, friend.password, "from a friend")
    assert after_trace(redirected, sent) == sent
    assert len(mailbox(platform, user, "INBOX", 1)) == 1


def test_a_script_that_fails_keeps(platform: Platform) -> None:
    user = platform.create_account("failing")
    with sieve(platform, user) as client:
        redirects = "".join(f'redirect "r{number}@peer.invalid";' for number in range(9))
        client.run(redirects)
    send(platform, "x@peer.invalid", user.address, "kept all the same")
    wait_for_subject(platform, user.address, user.password, "kept all the same")
    told = wait_for_subject(platform, user.address, user.password, "Your mail filter failed")
    assert b"a script may redirect to 4 addresses at most" in told
    assert b"kept all the same" in told
