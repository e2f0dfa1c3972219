"""QUOTA (RFC 9208) on the real store."""

from mailmodel.quota import QuotaLimits

from tests.support.imap_memory import Imap

from .conftest import Town

KILOBYTE = b"Subject: x\r\n\r\n" + b"x" * 1008 + b"\r\n"
assert len(KILOBYTE) == 1024


def test_who_has_no_limit_has_no_root(imap: Imap) -> None:
    alice = imap.client("alice@a.test")
    assert alice.say("GETQUOTAROOT INBOX") == ["* QUOTAROOT INBOX", "OK GETQUOTAROOT completed"]
    assert alice.say("GETQUOTA account")[-1].startswith("NO [NONEXISTENT]")


def test_what_is_kept_and_may_be_kept(imap: Imap, town: Town) -> None:
    town.limits["alice@a.test"] = QuotaLimits(octets=10 * 1024, messages=7, tenant_octets=64 * 1024)
    alice = imap.client("alice@a.test")
    for _ in range(2):
        alice.append(KILOBYTE)
    alice.append("x\n")
    assert alice.say("GETQUOTAROOT nowhere/yet")[:-1] == [
        '* QUOTAROOT nowhere/yet "account" "tenant"',
        '* QUOTA "account" (STORAGE 3 10 MESSAGE 3 7)',
        '* QUOTA "tenant" (STORAGE 3 64)',
    ]
    assert alice.say('GETQUOTA "tenant"')[0] == '* QUOTA "tenant" (STORAGE 3 64)'
    alice.say("SELECT INBOX")
    alice.say("STORE 1,3 +FLAGS (\\Deleted)")
    assert alice.say("STATUS INBOX (DELETED DELETED-STORAGE)")[0].endswith("(DELETED 2 DELETED-STORAGE 2)")


def test_too_much_is_refused_and_nothing_is_done(imap: Imap, town: Town) -> None:
    town.limits["alice@a.test"] = QuotaLimits(messages=2)
    alice = imap.client("alice@a.test")
    alice.append("a\n")
    assert alice.append("b\n").startswith("OK")
    alice.say("SELECT INBOX")
    for command in ("COPY 1 Archive", "APPEND INBOX {1+}\r\nx", "APPEND Archive {1+}\r\nx {1+}\r\ny"):
        assert alice.say(command)[-1] == "NO [OVERQUOTA] There is no room for that in the account"
    # Nothing more is kept by these.
    assert alice.say("MOVE 1 Archive")[-1].startswith("OK")
    assert alice.say("REPLACE 1 INBOX {1+}\r\nz")[-1].startswith("OK")
    assert alice.say("STATUS Archive (MESSAGES)")[0].endswith("(MESSAGES 1)")
    town.limits["alice@a.test"] = QuotaLimits(tenant_octets=1)
    assert alice.append("c\n").startswith("NO [OVERQUOTA] There is no room for that in what all accounts")


def test_a_word_in_time(imap: Imap, town: Town) -> None:
    town.limits["alice@a.test"] = QuotaLimits(messages=10)
    alice = imap.client("alice@a.test")
    warning = "* NO [OVERQUOTA] 90 % of what may be kept is used"
    for _ in range(8):
        assert warning not in alice.say("APPEND Archive {1+}\r\nx")
    assert warning not in alice.say("SELECT INBOX")
    assert warning in alice.say("APPEND Archive {1+}\r\nx")
    assert warning in alice.say("SELECT INBOX")
    alice.say("SELECT Archive")
    assert "* NO [OVERQUOTA] 100 % of what may be kept is used" in alice.say("COPY 1 INBOX")


def test_anothers_account_is_told_with_his_mailboxes(imap: Imap, town: Town) -> None:
    town.limits["bob@a.test"] = QuotaLimits(messages=1)
    alice, bob = imap.client("alice@a.test"), imap.client("bob@a.test")
    bob.say("SETACL INBOX alice@a.test lri")
    name = '"Other Users/bob@a.test/INBOX"'
    assert alice.say(f"GETQUOTAROOT {name}")[:-1] == [
        f'* QUOTAROOT {name} "Other Users/bob@a.test"',
        '* QUOTA "Other Users/bob@a.test" (MESSAGE 0 1)',
    ]
    assert alice.say('GETQUOTA "Other Users/bob@a.test"')[-1].startswith("NO [NOPERM]")
    assert alice.say(f"APPEND {name} {{1+}}\r\nx")[-1].startswith("OK")
    assert alice.say(f"APPEND {name} {{1+}}\r\nx")[-1].startswith("NO [OVERQUOTA]")
    bob.say("SETACL INBOX alice@a.test li")
    assert alice.say(f"GETQUOTAROOT {name}")[-1].startswith("NO [NOPERM]")
