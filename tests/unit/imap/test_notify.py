"""NOTIFY (RFC 5465): what is told unasked, of the selected mailbox and of others."""

import pytest

from tests.support.imap_memory import Imap

LETTER = "Subject: hello\n\nx\n"
ALL = "(MessageNew MessageExpunge FlagChange)"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("NOTIFY", "BAD"),
        ("NOTIFY SET", "BAD"),
        ("NOTIFY NONE", "OK"),
        ("NOTIFY SET (selected (MessageNew))", "BAD"),
        ("NOTIFY SET (personal (FlagChange))", "BAD"),
        ("NOTIFY SET (selected (MailboxName))", "BAD"),
        ("NOTIFY SET (personal (MessageNew (UID) MessageExpunge))", "BAD"),
        (f"NOTIFY SET (selected {ALL}) (selected-delayed {ALL})", "BAD"),
        ("NOTIFY SET (nowhere NONE)", "BAD"),
        ("NOTIFY SET (personal (AnnotationChange))", "NO [BADEVENT (MessageNew MessageExpunge FlagChange"),
        ("NOTIFY SET (subtree (a b) (MailboxName)) (inboxes NONE)", "OK"),
        ("NOTIFY SET (mailboxes a//b (MailboxName))", "OK"),
        ("NOTIFY SET STATUS (selected MessageNew (uid flags) MessageExpunge)", "OK"),
    ],
)
def test_what_can_be_asked_for(imap: Imap, command: str, answer: str) -> None:
    assert imap.client().say(command)[-1].startswith(answer)


def test_the_selected_mailbox_is_told_of_at_once(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    two.say(
        "NOTIFY SET (selected (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge FlagChange))"
    )
    one.append(LETTER)
    assert two.heard() == [
        "* 1 EXISTS",
        "* 1 RECENT",
        "* 1 FETCH (UID 1 FLAGS (\\Recent) BODY[HEADER.FIELDS (Subject)] {18}",
        "Subject: hello",
        "",
        ")",
    ]
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert two.heard() == ["* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))"]
    one.say("EXPUNGE")
    assert two.heard() == ["* 1 EXPUNGE"]
    # What it puts there itself is not fetched for it.
    assert two.append(LETTER).startswith("OK")
    assert two.heard() == []
    assert two.say("UID FETCH 2 FLAGS")[0] == "* 1 FETCH (UID 2 FLAGS (\\Recent))"


def test_delayed_expunges_wait_for_a_command(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for _ in range(2):
        one.append(LETTER)
    two.say(f"NOTIFY SET (selected-delayed {ALL})")
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    assert not [line for line in two.heard() if "EXPUNGE" in line]
    assert two.say("FETCH 2 UID") == ["* 2 FETCH (UID 2)", "OK [EXPUNGEISSUED] FETCH completed"]
    assert two.say("NOOP") == ["* 1 EXPUNGE", "OK NOOP completed"]


def test_whoever_wants_to_hear_nothing_hears_nothing(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    one.append(LETTER)
    two.say("NOOP")
    two.say("NOTIFY NONE")
    one.append(LETTER)
    one.say("STORE 1 +FLAGS (\\Flagged)")
    assert two.heard() == []
    assert two.say("NOOP") == ["OK NOOP completed"]
    # Its own commands are answered all the same.
    assert two.say("STORE 1 +FLAGS (\\Deleted)")[0].startswith("* 1 FETCH")
    assert "* 1 EXPUNGE" in two.say("EXPUNGE")


def test_without_flag_changes(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    two.say("NOTIFY SET (selected (MessageNew MessageExpunge))")
    one.append(LETTER)
    assert two.heard() == ["* 1 EXISTS", "* 1 RECENT"]
    one.say("STORE 1 +FLAGS (\\Flagged)")
    assert two.heard() == []


def test_counters_of_other_mailboxes(imap: Imap) -> None:
    one, two = imap.client(select="Archive"), imap.client(select="INBOX")
    told = two.say(f"NOTIFY SET STATUS (selected {ALL}) (mailboxes (Archive Sent) {ALL})")
    assert told[:-1] == [
        "* STATUS Archive (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1700000001 HIGHESTMODSEQ 1)",
        "* STATUS Sent (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1700000004 HIGHESTMODSEQ 1)",
    ]
    one.append(LETTER, "Archive")
    assert two.heard() == ["* STATUS Archive (MESSAGES 1 UIDNEXT 2 UNSEEN 1 UIDVALIDITY 1700000001)"]
    one.append(LETTER, "Drafts")
    assert two.heard() == []
    one.say("STORE 1 +FLAGS (\\Flagged)")
    assert two.heard() == []
    two.say("ENABLE CONDSTORE")
    one.say("STORE 1 +FLAGS (\\Seen)")
    assert two.heard() == ["* STATUS Archive (UNSEEN 0 HIGHESTMODSEQ 5 UIDVALIDITY 1700000001)"]
    one.say("STORE 1 +FLAGS (\\Deleted)")
    assert two.heard() == ["* STATUS Archive (HIGHESTMODSEQ 6 UIDVALIDITY 1700000001)"]
    one.say("EXPUNGE")
    assert two.heard()[0].startswith("* STATUS Archive (MESSAGES 0 UIDNEXT 2")
    # The selected mailbox is not told of twice.
    one.append(LETTER)
    assert two.heard() == ["* 1 EXISTS", "* 1 RECENT"]


def test_names_and_subscriptions(imap: Imap) -> None:
    one, two = imap.client(), imap.client()
    two.say("NOTIFY SET (personal (MailboxName SubscriptionChange))")
    one.say("CREATE Work/Plans")
    assert two.heard() == [
        '* LIST (\\HasChildren) "/" Work',
        '* LIST (\\HasNoChildren) "/" Work/Plans',
    ]
    one.say("RENAME Work Play")
    assert two.heard() == ['* LIST (\\HasChildren) "/" Play ("OLDNAME" (Work))']
    one.say("SUBSCRIBE Play")
    assert two.heard() == ['* LIST (\\HasChildren \\Subscribed) "/" Play']
    one.say("SUBSCRIBE Nothing")
    assert two.heard() == ['* LIST (\\NonExistent \\Subscribed) "/" Nothing']
    one.say("UNSUBSCRIBE Play")
    assert two.heard() == ['* LIST (\\HasChildren) "/" Play']
    one.say("DELETE Play/Plans")
    assert two.heard() == [
        '* LIST (\\HasNoChildren) "/" Play',
        '* LIST (\\NonExistent) "/" Play/Plans',
    ]


def test_subtrees_and_subscribed(imap: Imap) -> None:
    one, two = imap.client(), imap.client()
    for name in ("Lists/a", "Lists/b", "Other"):
        one.say(f"CREATE {name}")
    one.say("SUBSCRIBE Other")
    two.say("NOTIFY SET (subtree Lists (MessageNew MessageExpunge)) (subscribed (MessageNew MessageExpunge))")
    for name in ("Lists/b", "Other", "INBOX"):
        one.append(LETTER, name)
        assert two.heard()[0].startswith(f"* STATUS {name} (MESSAGES 1")
    one.say("UNSUBSCRIBE Other")
    two.heard()
    one.append(LETTER, "Other")
    assert two.heard() == []


def test_annotations(imap: Imap) -> None:
    one, two = imap.client(), imap.client()
    two.say("NOTIFY SET (mailboxes INBOX (MailboxMetadataChange ServerMetadataChange))")
    one.say('SETMETADATA INBOX (/private/b "1" /private/a "2")')
    assert two.heard() == ["* METADATA INBOX /private/a /private/b"]
    one.say("SETMETADATA INBOX (/private/a NIL)")
    assert two.heard() == ["* METADATA INBOX /private/a"]
    one.say('SETMETADATA "" (/private/x "1")')
    assert two.heard() == ['* METADATA "" /private/x']
    one.say('SETMETADATA Sent (/private/x "1")')
    assert two.heard() == []


def test_a_mailbox_in_the_place_of_another(imap: Imap) -> None:
    """RFC 5465 §5.1: a UIDVALIDITY that has changed is told; §5.2: so is what has come since."""
    one, two = imap.client(), imap.client()
    one.say("CREATE Lists")
    two.say(f"NOTIFY SET (mailboxes (Lists New) {ALL})")
    two.exchange(b"i ")
    one.say("DELETE Lists")
    one.say("CREATE Lists")
    one.say("CREATE New")
    one.append(LETTER, "New")
    validities = [
        one.say(f"STATUS {name} (UIDVALIDITY)")[0].split()[-1].rstrip(")") for name in ("Lists", "New")
    ]
    assert two.exchange(b"NOOP\r\n").decode().split("\r\n")[:-2] == [
        f"* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY {validities[0]})",
        f"* STATUS New (MESSAGES 1 UIDNEXT 2 UIDVALIDITY {validities[1]})",
    ]
    assert two.heard() == []


def test_who_enables_metadata_is_told_what_others_change(imap: Imap) -> None:
    """RFC 5464 §4.4, without NOTIFY."""
    one, two = imap.client(), imap.client(select="INBOX")
    assert two.say("ENABLE METADATA")[0] == "* ENABLED METADATA"
    one.say('SETMETADATA INBOX (/private/b "1" /shared/a "2")')
    one.say('SETMETADATA "" (/private/x "1")')
    assert two.say("NOOP") == [
        '* METADATA "" /private/x',
        "* METADATA INBOX /private/b /shared/a",
        "OK NOOP completed",
    ]
    assert two.say('SETMETADATA Sent (/private/own "1")') == ["OK SETMETADATA completed"]
    two.exchange(b"i IDLE\r\n")
    one.say("SETMETADATA Sent (/private/own NIL)")
    assert two.heard() == ["* METADATA Sent /private/own"]
    two.exchange(b"DONE\r\n")
    # From then on NOTIFY says what is told.
    two.say("NOTIFY NONE")
    one.say("SETMETADATA INBOX (/private/b NIL)")
    assert two.say("NOOP") == ["OK NOOP completed"]
    # And who has enabled nothing hears nothing.
    assert one.say("NOOP") == ["OK NOOP completed"]


def test_idle_tells_the_same(imap: Imap) -> None:
    one, two = imap.client(), imap.client(select="INBOX")
    two.say("NOTIFY SET (selected NONE) (mailboxes Sent (MessageNew MessageExpunge))")
    two.exchange(b"a IDLE\r\n")
    one.append(LETTER)
    one.append(LETTER, "Sent")
    assert [line.split(" (")[0] for line in two.heard()] == ["* STATUS Sent"]
    assert two.exchange(b"DONE\r\n") == b"a OK IDLE completed\r\n"


def test_nothing_is_told_in_the_middle_of_a_command(imap: Imap) -> None:
    one, two = imap.client(), imap.client(select="INBOX")
    two.say(f"NOTIFY SET (selected {ALL})")
    assert two.exchange(b"a UID SEARCH SUBJECT {5}\r\n") == b"+ Go ahead\r\n"
    one.append(LETTER)
    assert two.heard() == []
    said = two.exchange(b"hello\r\n")
    assert said.startswith(b"* SEARCH")
    assert said.endswith(b"* 1 EXISTS\r\n* 1 RECENT\r\na OK SEARCH completed\r\n")
