"""Two and three sessions that resynchronise: CONDSTORE and QRESYNC (RFC 7162)."""

import random

from tests.support.imap_memory import Client, Imap


def filled(imap: Imap, messages: int) -> Client:
    client = imap.client()
    for _ in range(messages):
        client.append("Subject: x\n\nx\n")
    client.say("SELECT INBOX")
    return client


def validity(client: Client) -> str:
    return client.say("STATUS INBOX (UIDVALIDITY)")[0].split("UIDVALIDITY ")[1][:-1]


def test_what_others_change_is_told_with_uid_and_modseq(imap: Imap) -> None:
    one = filled(imap, 2)
    two = imap.client(select="INBOX (CONDSTORE)")
    one.say("STORE 2 +FLAGS (\\Flagged)")
    assert two.say("NOOP")[0] == "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (4))"
    one.say("STORE 2 -FLAGS.SILENT (\\Flagged)")
    one.say("STORE 2 +FLAGS.SILENT (\\Flagged)")
    assert two.say("NOOP")[0] == "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))"


def test_enable(imap: Imap) -> None:
    client = imap.client()
    assert client.say("ENABLE X-NOSUCH") == ["* ENABLED", "OK ENABLE completed"]
    assert client.say("ENABLE QRESYNC X-NOSUCH")[0] == "* ENABLED CONDSTORE QRESYNC"
    assert client.say("ENABLE CONDSTORE")[0] == "* ENABLED"


def test_resync_needs_to_be_enabled(imap: Imap) -> None:
    client = filled(imap, 1)
    assert client.say("SELECT INBOX (QRESYNC (1 2))")[-1].startswith("BAD [CLIENTBUG]")
    assert client.say("NOOP") == ["OK NOOP completed"]


def test_vanished_for_those_who_enabled_it(imap: Imap) -> None:
    one, two = filled(imap, 5), imap.client()
    two.say("ENABLE QRESYNC")
    two.say("SELECT INBOX")
    one.say("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    two.say("NOOP")
    assert one.say("EXPUNGE")[:2] == ["* 4 EXPUNGE", "* 2 EXPUNGE"]
    assert two.say("FETCH 5 UID") == [
        "* 5 FETCH (UID 5)",
        "* OK [HIGHESTMODSEQ 7] Some expunges are to follow",
        "OK [EXPUNGEISSUED] FETCH completed",
    ]
    assert two.say("UID FETCH 5 FLAGS")[1] == "* VANISHED 2,4"
    two.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert two.say("EXPUNGE") == ["* VANISHED 1", "OK [HIGHESTMODSEQ 10] EXPUNGE completed"]
    assert two.say("EXPUNGE") == ["OK EXPUNGE completed"]
    two.say("UID STORE 5 +FLAGS.SILENT (\\Deleted)")
    assert two.say("CLOSE") == ["OK CLOSE completed"]


def test_resync_tells_what_changed_and_what_vanished(imap: Imap) -> None:
    one = filled(imap, 6)
    valid = validity(one)
    one.say("STORE 2,5 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    one.say("STORE 1 +FLAGS.SILENT (\\Flagged)")
    one.append("Subject: new\n\nx\n")
    two = imap.client()
    two.say("ENABLE QRESYNC")
    # Six messages came with MODSEQ 2 to 7.
    told = two.say(f"SELECT INBOX (QRESYNC ({valid} 7))")[10:-1]
    assert told == [
        "* VANISHED (EARLIER) 2,5",
        "* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (10))",
        "* 5 FETCH (UID 7 FLAGS () MODSEQ (11))",
    ]
    told = two.say(f"SELECT INBOX (QRESYNC ({valid} 7 3:6))")
    assert told[0] == "* OK [CLOSED] The mailbox before is closed"
    assert told[11:-1] == ["* VANISHED (EARLIER) 5"]
    # Numbers 1 and 2 are UIDs 1 and 3: the client knows what went before 3.
    told = two.say(f"SELECT INBOX (QRESYNC ({valid} 7 1:9 (1:2,4 1,3,5)))")
    assert told[11] == "* VANISHED (EARLIER) 5"
    told = two.say("SELECT INBOX (QRESYNC (17 7))")
    assert not [line for line in told if "VANISHED" in line or "FETCH" in line]
    assert two.say(f"SELECT INBOX (QRESYNC ({valid} 7 1:*))")[-1].startswith("BAD")


def test_uid_fetch_tells_what_vanished(imap: Imap) -> None:
    one = filled(imap, 4)
    one.say("ENABLE QRESYNC")
    one.say("STORE 3:4 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    one.say("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert one.say("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)") == [
        "* VANISHED (EARLIER) 3:4",
        "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ (8))",
        "OK FETCH completed",
    ]
    assert one.say("UID FETCH 1:3 (FLAGS) (CHANGEDSINCE 6 VANISHED)")[0] == "* VANISHED (EARLIER) 3"
    assert one.say("UID FETCH 1:3 (FLAGS) (VANISHED)")[-1].startswith("BAD")
    assert one.say("FETCH 1:3 (FLAGS) (CHANGEDSINCE 6 VANISHED)")[-1].startswith("BAD")


def test_a_store_tells_what_others_did_before_it(imap: Imap) -> None:
    one, two = filled(imap, 2), imap.client(select="INBOX (CONDSTORE)")
    imap.changes.told.clear()
    one.say("STORE 1 +FLAGS.SILENT (\\Seen)")
    # No notice came: the client would take MODSEQ 5 for all it knows, and miss 4.
    assert two.say("STORE 2 +FLAGS.SILENT (\\Seen)") == [
        "* 2 FETCH (UID 2 MODSEQ (5))",
        "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (4))",
        "OK STORE completed",
    ]


def test_a_store_that_was_refused_is_followed_by_the_flags_that_are(imap: Imap) -> None:
    one, two = filled(imap, 2), imap.client(select="INBOX (CONDSTORE)")
    one.say("STORE 1 +FLAGS.SILENT ($Mine)")
    assert two.say("STORE 1:2 (UNCHANGEDSINCE 3) +FLAGS.SILENT ($Yours)") == [
        "* 2 FETCH (UID 2 MODSEQ (5))",
        "* 1 FETCH (UID 1 FLAGS ($Mine) MODSEQ (4))",
        "OK [MODIFIED 1] Some have changed meanwhile",
    ]


def test_an_expunge_that_waits_is_not_taken_for_known(imap: Imap) -> None:
    one, two = filled(imap, 3), imap.client()
    two.say("ENABLE QRESYNC")
    two.say("SELECT INBOX")
    # MODSEQ 5 and 6: a message goes; 7: another changes.
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    one.say("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert two.say("FETCH 3 UID") == [
        "* 3 FETCH (UID 3)",
        "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (7))",
        "* OK [HIGHESTMODSEQ 4] Some expunges are to follow",
        "OK [EXPUNGEISSUED] FETCH completed",
    ]
    assert two.say("NOOP") == ["* VANISHED 1", "OK NOOP completed"]


class Offline:
    """A client's cache: what QRESYNC and the untagged responses told it."""

    def __init__(self) -> None:
        self.flags: dict[int, str] = {}
        self.modseq = 0

    def hear(self, lines: list[str]) -> None:
        highest = seen = 0
        for line in lines:
            if "VANISHED" in line:
                for part in line.split()[-1].split(","):
                    low, _, high = part.partition(":")
                    for uid in range(int(low), int(high or low) + 1):
                        self.flags.pop(uid, None)
            elif " FETCH (UID " in line:
                uid = int(line.split("UID ")[1].split()[0])
                self.flags[uid] = line.split("FLAGS (")[1].split(")")[0].replace("\\Recent", "").strip()
                seen = max(seen, int(line.split("MODSEQ (")[1].split(")")[0]))
            elif "HIGHESTMODSEQ" in line:
                highest = int(line.split("HIGHESTMODSEQ ")[1].split("]")[0])
        # RFC 7162 §6
        self.modseq = highest or max(self.modseq, seen)


def test_a_client_that_comes_and_goes_knows_all(imap: Imap) -> None:
    """Whatever happens while it is away or there: after a resynchronisation its cache is the mailbox."""
    dice = random.Random(20260102)
    writer = imap.client(select="INBOX")
    valid = validity(writer)
    cache = Offline()
    reader: Client | None = None
    for _ in range(150):
        match dice.choice(("append", "append", "flag", "flag", "expunge", "come", "noop", "go")):
            case "append":
                writer.append("Subject: x\n\nx\n")
                writer.say("NOOP")
            case "flag":
                writer.say(f"UID STORE {dice.randint(1, 40)} {dice.choice('+-')}FLAGS (\\Flagged)")
            case "expunge":
                writer.say(f"UID STORE {dice.randint(1, 40)} +FLAGS (\\Deleted)")
                writer.say("EXPUNGE")
            case "come" if reader is None:
                reader = imap.client()
                reader.say("ENABLE QRESYNC")
                cache.hear(reader.say(f"SELECT INBOX (QRESYNC ({valid} {max(1, cache.modseq)}))"))
            case "noop" if reader is not None:
                cache.hear(reader.say(dice.choice(("NOOP", "FETCH 1:* (UID FLAGS MODSEQ)", "SEARCH ALL"))))
            case "go" if reader is not None:
                reader.say("LOGOUT")
                reader = None
    reader = imap.client()
    reader.say("ENABLE QRESYNC")
    cache.hear(reader.say(f"SELECT INBOX (QRESYNC ({valid} {max(1, cache.modseq)}))"))
    truth = Offline()
    truth.hear(reader.say("UID FETCH 1:* (UID FLAGS MODSEQ)"))
    assert cache.flags == truth.flags
    assert len(truth.flags) > 5
