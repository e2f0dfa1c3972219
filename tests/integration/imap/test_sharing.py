"""Mailboxes of others (RFC 4314, RFC 2342, RFC 8440), on the real store: every command against every missing right."""

import time

import pytest
from mailmodel.rights import RIGHTS

from tests.support.imap_memory import Client, Imap

from .conftest import Town

BOB = "Other Users/bob@a.test"
BOX = f'"{BOB}/Box"'
STATUS_OF_BOX = f"* STATUS {BOX} (MESSAGES {{}} UIDNEXT {{}} UIDVALIDITY {{}})"
# How long the store may take to be asked.
PATIENCE_SECONDS = 30.0
MESSAGE = "Subject: hello\n\nbody\n"


def box_of_bob(imap: Imap, rights: str, *, identifier: str = "alice@a.test", messages: int = 2) -> Client:
    """Bob's mailbox Box with some messages, into which alice is let; bob."""
    imap.client("alice@a.test")
    bob = imap.client("bob@a.test")
    bob.say("CREATE Box")
    for _ in range(messages):
        bob.append(MESSAGE, "Box")
    if rights:
        assert bob.say(f"SETACL Box {identifier} {rights}")[-1].startswith("OK")
    return bob


def at_last(client: Client) -> list[str]:
    """What it hears, as soon as the store has been asked."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if said := client.heard():
            return said
    return []


def hears(client: Client, line: str) -> bool:
    """Whether it hears exactly that, sooner or later, whatever else comes before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    return any(line in client.heard() for _ in iter(lambda: time.monotonic() < deadline, False))


def state(bob: Client) -> list[str]:
    """All that could change: names, messages, flags, rights."""
    names = sorted(line for line in bob.say('LIST "" * RETURN (SUBSCRIBED)')[:-1])
    bob.say("EXAMINE Box")
    flags = bob.say("FETCH 1:* (UID FLAGS)")[:-1]
    bob.say("UNSELECT")
    return [*names, *flags, *bob.say("GETACL Box")[:-1], *bob.say("GETMETADATA Box /shared/comment")[:-1]]


# Command, the rights without any one of which it is refused, and whether it needs the mailbox selected.
NEEDS = [
    (f"SELECT {BOX}", "r", False),
    (f"EXAMINE {BOX}", "r", False),
    (f"STATUS {BOX} (MESSAGES)", "r", False),
    (f"DELETE {BOX}", "x", False),
    (f'RENAME {BOX} "{BOB}/Box/Other"', "xk", False),
    (f'CREATE "{BOB}/Box/New"', "k", False),
    (f"APPEND {BOX} {{3+}}\r\nx\r\n", "i", False),
    (f"SETACL {BOX} anyone lr", "a", False),
    (f"DELETEACL {BOX} anyone", "a", False),
    (f"GETACL {BOX}", "a", False),
    (f"LISTRIGHTS {BOX} anyone", "a", False),
    (f"GETMETADATA {BOX} /shared/comment", "l", False),
    (f'SETMETADATA {BOX} (/shared/comment "x")', "lw", False),
    ("STORE 1 +FLAGS (\\Seen)", "s", True),
    ("STORE 1 +FLAGS (\\Deleted)", "t", True),
    ("STORE 1 +FLAGS (\\Flagged)", "w", True),
    ("STORE 1 +FLAGS ($Label)", "w", True),
    ("EXPUNGE", "e", True),
    ("UID EXPUNGE 1", "e", True),
    ("MOVE 1 INBOX", "te", True),
    ("REPLACE 1 INBOX {3+}\r\nx\r\n", "te", True),
    (f"COPY 1 {BOX}", "i", True),
    (f"UID MOVE 1 {BOX}", "tei", True),
]


@pytest.mark.parametrize(
    ("command", "right", "selects"), [(c, right, s) for c, rights, s in NEEDS for right in rights]
)
def test_without_one_right_a_command_is_refused_and_nothing_is_done(
    imap: Imap, command: str, right: str, selects: bool
) -> None:
    bob = box_of_bob(imap, RIGHTS.replace(right, ""))
    alice = imap.client("alice@a.test")
    if selects:
        assert alice.say(f"SELECT {BOX}")[-1].startswith("OK")
    before = state(bob)
    assert alice.say(command)[-1].startswith("NO [NOPERM]"), command
    assert state(bob) == before


@pytest.mark.parametrize("command", [command for command, _, _ in NEEDS])
def test_with_all_rights_it_is_done(imap: Imap, command: str) -> None:
    box_of_bob(imap, RIGHTS)
    alice = imap.client("alice@a.test")
    alice.say(f"SELECT {BOX}")
    if command.startswith("RENAME"):
        assert alice.say(command)[-1].startswith("NO [CANNOT]")
        assert alice.say(f'RENAME {BOX} "{BOB}/Box2"')[-1].startswith("NO [NOPERM]")
    else:
        assert alice.say(command)[-1].startswith("OK"), command


# Without any right that lets one know of it, a mailbox is as if it were not there.
@pytest.mark.parametrize("command", [command for command, _, selects in NEEDS if not selects])
@pytest.mark.parametrize("rights", ["", "ste"])
def test_a_mailbox_that_one_may_not_know_of_is_not_there(imap: Imap, command: str, rights: str) -> None:
    bob = box_of_bob(imap, rights)
    alice = imap.client("alice@a.test")
    before = state(bob)
    said = alice.say(command)[-1]
    nowhere = alice.say(command.replace("bob@", "nobody@"))[-1]
    assert said == nowhere
    assert said.startswith("NO")
    assert state(bob) == before
    assert not any("Box" in line for line in alice.say('LIST "" *'))


def test_a_tenant_is_a_wall(imap: Imap) -> None:
    bob = box_of_bob(imap, RIGHTS, identifier="anyone")
    eve = imap.client("eve@b.test")
    assert eve.say(f"SELECT {BOX}")[-1].startswith("NO [NONEXISTENT]")
    assert not any("bob" in line for line in eve.say('LIST "" *'))
    assert bob.say("SETACL Box eve@b.test lr")[-1].startswith("NO [CANNOT]")


@pytest.mark.parametrize("identifier", ["anyone", "authenticated", "$team@a.test", "Alice@A.test"])
def test_identifiers(imap: Imap, town: Town, identifier: str) -> None:
    town.members["team@a.test"] = ["alice@a.test"]
    bob = box_of_bob(imap, "lr", identifier=identifier)
    alice = imap.client("alice@a.test")
    assert alice.say(f"MYRIGHTS {BOX}") == [f"* MYRIGHTS {BOX} lr", "OK MYRIGHTS completed"]
    assert bob.say("SETACL Box -alice@a.test r")[-1].startswith("OK")
    assert alice.say(f"MYRIGHTS {BOX}")[0] == f"* MYRIGHTS {BOX} l"
    assert bob.say("DELETEACL Box -alice@a.test")[-1].startswith("OK")
    assert bob.say(f"DELETEACL Box {identifier}")[-1].startswith("OK")
    assert alice.say(f"MYRIGHTS {BOX}")[-1].startswith("NO [NONEXISTENT]")


def test_who_leaves_the_group_is_out_at_once(imap: Imap, town: Town) -> None:
    town.members["team@a.test"] = ["alice@a.test"]
    box_of_bob(imap, "lr", identifier="$team@a.test")
    alice = imap.client("alice@a.test", select=BOX)
    town.members.clear()
    said = alice.say("FETCH 1 FLAGS")
    assert said == [
        "* NO [NOPERM] You may not read the mailbox any more",
        "BAD [CLIENTBUG] Select a mailbox first",
    ]


def test_the_list_itself(imap: Imap) -> None:
    bob = box_of_bob(imap, "lr")
    assert bob.say("GETACL Box")[0] == '* ACL Box "bob@a.test" lrswipkxteacd "alice@a.test" lr'
    assert bob.say("SETACL Box alice@a.test +td")[-1].startswith("OK")
    assert bob.say("GETACL Box")[0].endswith('"alice@a.test" lrted')
    assert bob.say("SETACL Box alice@a.test -r")[-1].startswith("OK")
    assert bob.say("GETACL Box")[0].endswith('"alice@a.test" lted')
    assert bob.say("LISTRIGHTS Box alice@a.test")[0] == (
        '* LISTRIGHTS Box "alice@a.test" "" l r s w i p k x t e a c d'
    )
    assert bob.say("LISTRIGHTS Box bob@a.test")[0] == '* LISTRIGHTS Box "bob@a.test" "lrswipkxteacd"'
    assert bob.say("MYRIGHTS Box")[0] == "* MYRIGHTS Box lrswipkxteacd"
    assert bob.say("SETACL Box alice@a.test lrQ")[-1].startswith("BAD")
    assert bob.say("SETACL Box bob@a.test l")[-1].startswith("NO [CANNOT]")
    assert bob.say("SETACL Box nobody@a.test l")[-1].startswith("NO [CANNOT]")
    assert bob.say('SETACL Box "" l')[-1].startswith("BAD")
    assert bob.say('SETACL Box alice@a.test ""')[-1].startswith("OK")
    assert bob.say("GETACL Box")[0] == '* ACL Box "bob@a.test" lrswipkxteacd'


def test_names_of_others(imap: Imap, town: Town) -> None:
    bob = box_of_bob(imap, "lr")
    bob.say("CREATE Box/Below")
    town.shared.add("team@a.test")
    team = imap.client("team@a.test")
    team.say("SETACL INBOX anyone lrswi")
    alice = imap.client("alice@a.test")
    assert alice.say("NAMESPACE")[0] == ('* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))')
    assert [line for line in alice.say('LIST "" *') if "@" in line] == [
        f'* LIST (\\HasChildren) "/" {BOX}',
        f'* LIST (\\HasNoChildren) "/" "{BOB}/Box/Below"',
        '* LIST (\\HasNoChildren) "/" "Shared/team@a.test/INBOX"',
    ]
    top = alice.say('LIST "" %')
    assert '* LIST (\\Noselect \\HasChildren) "/" "Other Users"' in top
    assert '* LIST (\\Noselect \\HasChildren) "/" Shared' in top
    assert alice.say('LIST "Other Users/" %')[:-1] == [f'* LIST (\\Noselect \\HasChildren) "/" "{BOB}"']
    assert alice.say('LIST "" "Other Users/%/%" RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN))')[:-1] == [
        f'* LIST (\\HasChildren) "/" {BOX}',
        f"* MYRIGHTS {BOX} lr",
        f"* STATUS {BOX} (MESSAGES 2 UNSEEN 2)",
    ]
    # Subscriptions are by name.
    assert alice.say(f"SUBSCRIBE {BOX}")[-1].startswith("OK")
    assert any("bob@" in line for line in alice.say('LSUB "" *'))
    assert any("\\Subscribed" in line for line in alice.say('LIST (SUBSCRIBED) "" "Other Users/*"'))
    # Names that are spoken for make no mailbox of one's own.
    for name in ('"Other Users"', "Shared/x", '"Other Users/alice@a.test/x"'):
        assert alice.say(f"CREATE {name}")[-1].startswith("NO [NOPERM]")
    # The other kind's prefix leads nowhere.
    assert alice.say("SELECT Shared/bob@a.test/Box")[-1].startswith("NO [NONEXISTENT]")
    town.suspended.add("bob@a.test")
    assert alice.say(f"SELECT {BOX}")[-1].startswith("NO [NONEXISTENT]")
    assert not any("bob" in line for line in alice.say('LIST "" *'))


def test_what_is_searched_by_name_need_not_be_listed(imap: Imap) -> None:
    """RFC 7377 §2.2: by name `r` is enough; otherwise `l` is needed too."""
    bob = box_of_bob(imap, "r")
    alice = imap.client("alice@a.test")
    assert " COUNT 2" in alice.say(f"ESEARCH IN (mailboxes {BOX}) RETURN (COUNT) ALL")[0]
    assert len(alice.say('ESEARCH IN (subtree "Other Users") RETURN (COUNT) ALL')) == 1
    bob.say("SETACL Box alice@a.test l")
    assert len(alice.say(f"ESEARCH IN (mailboxes {BOX}) RETURN (COUNT) ALL")) == 1


def test_annotations_in_a_list_only_of_what_may_be_seen_or_changed(imap: Imap) -> None:
    """RFC 5464 §3.3: `l` and any of `rswip`."""
    bob = box_of_bob(imap, "li")
    bob.say('SETMETADATA Box (/shared/comment "for all")')
    alice = imap.client("alice@a.test")
    asked = 'LIST "" "Other Users/*" RETURN (METADATA (/shared/comment))'
    assert f'* METADATA {BOX} (/shared/comment "for all")' in alice.say(asked)
    bob.say("SETACL Box alice@a.test lx")
    assert not [line for line in alice.say(asked) if "METADATA" in line]


def test_status_in_a_list_only_of_what_may_be_read(imap: Imap) -> None:
    box_of_bob(imap, "l")
    alice = imap.client("alice@a.test")
    # RFC 5819 §2
    assert alice.say('LIST "" "Other Users/*" RETURN (STATUS (MESSAGES))')[:-1] == [
        f'* LIST (\\Noselect \\HasNoChildren) "/" {BOX}'
    ]
    assert alice.say('LIST "" "Other Users/*"')[:-1] == [f'* LIST (\\HasNoChildren) "/" {BOX}']


def test_each_has_seen_what_he_has_seen_and_all_hear_of_the_rest(imap: Imap) -> None:
    bob = box_of_bob(imap, "lrsw")
    alice, again = imap.client("alice@a.test", select=BOX), imap.client("alice@a.test", select=BOX)
    bob.say("SELECT Box")
    assert "\\Seen" in "".join(alice.say("FETCH 1 BODY[]"))
    assert again.say("NOOP")[:-1] == ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]
    assert bob.say("NOOP")[:-1] == []
    alice.say("STORE 2 +FLAGS (\\Flagged)")
    assert bob.say("NOOP")[:-1] == ["* 2 FETCH (UID 2 FLAGS (\\Flagged))"]
    bob.say("STORE 1:2 +FLAGS (\\Seen)")
    assert not any("2 FETCH" in line and "\\Seen" in line for line in alice.say("FETCH 1:2 FLAGS"))
    assert "UNSEEN 1" in alice.say(f"STATUS {BOX} (UNSEEN)")[0]
    assert "UNSEEN 0" in bob.say("STATUS Box (UNSEEN)")[0]
    assert alice.say("SEARCH UNSEEN")[0] == "* SEARCH 2"


def test_a_change_reaches_whoever_idles_there(imap: Imap) -> None:
    bob = box_of_bob(imap, "lr")
    alice = imap.client("alice@a.test", select=BOX)
    alice.exchange(b"i IDLE\r\n")
    bob.append(MESSAGE, "Box")
    assert "* 3 EXISTS" in at_last(alice)
    bob.say("SETACL Box alice@a.test l")
    assert at_last(alice) == ["* NO [NOPERM] You may not read the mailbox any more"]
    alice.exchange(b"DONE\r\n")


def test_what_may_be_kept_is_told(imap: Imap) -> None:
    box_of_bob(imap, "lrs")
    alice = imap.client("alice@a.test")
    said = alice.say(f"SELECT {BOX}")
    assert "* OK [PERMANENTFLAGS (\\Seen)] Flags that are kept" in said
    assert said[-1].startswith("OK [READ-ONLY]")
    assert alice.say("STORE 1 FLAGS (\\Seen \\Deleted)")[:-1] == ["* 1 FETCH (FLAGS (\\Seen \\Recent))"]


def test_rights_that_change_are_told(imap: Imap) -> None:
    """RFC 4314 §5.1.1."""
    bob = box_of_bob(imap, "lrs")
    alice = imap.client("alice@a.test", select=BOX)
    bob.say("SETACL Box alice@a.test +tw")
    told = "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] Flags that are kept"
    assert alice.say("NOOP")[:-1] == [told]
    assert alice.say("NOOP")[:-1] == []


def test_fetching_marks_nothing_without_the_right(imap: Imap) -> None:
    box_of_bob(imap, "lr")
    alice = imap.client("alice@a.test", select=BOX)
    alice.say("FETCH 1 BODY[]")
    assert "\\Seen" not in "".join(alice.say("FETCH 1 FLAGS"))


def test_close_without_the_right_to_expunge_expunges_nothing(imap: Imap) -> None:
    bob = box_of_bob(imap, "lrt")
    alice = imap.client("alice@a.test", select=BOX)
    alice.say("STORE 1 +FLAGS (\\Deleted)")
    assert alice.say("CLOSE")[-1].startswith("OK")
    assert "MESSAGES 2" in bob.say("STATUS Box (MESSAGES)")[0]


def test_messages_go_to_and_fro(imap: Imap) -> None:
    bob = box_of_bob(imap, "lrswite")
    alice = imap.client("alice@a.test")
    alice.append("Subject: mine\n\nmine\n", flags="(\\Seen \\Flagged)")
    alice.say("SELECT INBOX")
    assert alice.say(f"MOVE 1 {BOX}")[0].startswith("* OK [COPYUID")
    assert alice.say(f"APPEND {BOX} (\\Seen \\Draft) {{3+}}\r\nx\r\n")[-1].startswith("OK [APPENDUID")
    bob.say("SELECT Box")
    assert "mine" in "".join(bob.say("FETCH 3 BODY.PEEK[TEXT]"))
    assert [line.split("FLAGS ")[1] for line in bob.say("FETCH 3:4 FLAGS")[:-1]] == [
        "(\\Flagged \\Recent))",
        "(\\Draft \\Recent))",
    ]
    alice.say(f"SELECT {BOX}")
    assert all("\\Seen" in line for line in alice.say("FETCH 3:4 FLAGS")[:-1])
    assert alice.say("MOVE 1:2 INBOX")[-1].startswith("OK")
    assert alice.say("STATUS INBOX (MESSAGES)")[0].endswith("(MESSAGES 2)")
    assert alice.say("SEARCH ALL")[0] == "* SEARCH 1 2"
    found = alice.say(f"ESEARCH IN (mailboxes ({BOX} INBOX)) RETURN (COUNT) ALL")
    assert len(found) == 3


def test_a_message_is_the_same_wherever_it_goes(imap: Imap) -> None:
    """RFC 8474 §5: EMAILID stays over COPY and MOVE, to another account and back too."""
    bob = box_of_bob(imap, "lrswite", messages=1)
    alice = imap.client("alice@a.test", select=BOX)

    def ids(client: Client) -> set[str]:
        return {line.split("EMAILID ")[1] for line in client.say("FETCH 1:* EMAILID")[:-1]}

    [own] = ids(alice)
    # Twice at once, and again what is there already.
    assert alice.say(f"COPY 1 {BOX}")[-1].startswith("OK [COPYUID")
    for _ in range(2):
        assert alice.say("COPY 1:2 INBOX")[-1].startswith("OK [COPYUID")
    assert alice.say("MOVE 1:2 Archive")[0].startswith("* OK [COPYUID")
    for place, count in (("INBOX", 4), ("Archive", 2)):
        assert f"* {count} EXISTS" in alice.say(f"SELECT {place}")
        assert ids(alice) == {own}
        assert "body" in "".join(alice.say("FETCH 1 BODY.PEEK[TEXT]"))
    # Back, after the last of it has gone there.
    assert alice.say(f"MOVE 1 {BOX}")[0].startswith("* OK [COPYUID")
    bob.say("SELECT Box")
    assert ids(bob) == {own}
    assert "body" in "".join(bob.say("FETCH 1 BODY.PEEK[TEXT]"))


def test_folders_in_anothers_tree(imap: Imap) -> None:
    bob = box_of_bob(imap, RIGHTS)
    alice = imap.client("alice@a.test")
    assert alice.say(f'CREATE "{BOB}/Box/a/b"')[-1].startswith("OK")
    assert alice.say(f'CREATE "{BOB}/Top"')[-1].startswith("NO [NOPERM]")
    assert alice.say(f'RENAME "{BOB}/Box/a/b" "{BOB}/Box/c"')[-1].startswith("OK")
    assert alice.say(f'RENAME "{BOB}/Box/c" Mine')[-1].startswith("NO [CANNOT]")
    assert alice.say(f'DELETE "{BOB}/Box/a"')[-1].startswith("OK")
    assert bob.say('LIST "" Box*')[:-1] == [
        '* LIST (\\HasChildren) "/" Box',
        '* LIST (\\HasNoChildren) "/" Box/c',
    ]


def test_notes_about_anothers_mailbox(imap: Imap) -> None:
    bob = box_of_bob(imap, "lrw")
    bob.say('SETMETADATA Box (/private/comment "secret" /shared/comment "for all")')
    alice = imap.client("alice@a.test")
    assert alice.say(f"GETMETADATA {BOX} (/private/comment /shared/comment)")[0] == (
        f'* METADATA {BOX} (/private/comment NIL /shared/comment "for all")'
    )
    assert alice.say(f'SETMETADATA {BOX} (/shared/imapsieve/script "x")')[-1].startswith("NO [NOPERM]")
    assert alice.say(f'SETMETADATA {BOX} (/shared/comment "new")')[-1].startswith("OK")
    assert bob.say("GETMETADATA Box /shared/comment")[0].endswith('(/shared/comment "new")')


def test_notify_watches_others_mailboxes_by_name(imap: Imap) -> None:
    bob = box_of_bob(imap, "lr")
    bob.say("CREATE Hidden")
    alice = imap.client("alice@a.test", select="INBOX")
    events = "(MessageNew MessageExpunge MailboxName)"
    said = alice.say(f'NOTIFY SET STATUS (subtree "Other Users" {events})')
    assert [line for line in said if "STATUS" in line] == [
        f"* STATUS {BOX} (MESSAGES 2 UIDNEXT 3 UIDVALIDITY {validity(bob)})"
    ]
    bob.append(MESSAGE, "Box")
    assert at_last(alice) == [f"* STATUS {BOX} (MESSAGES 3 UIDNEXT 4 UIDVALIDITY {validity(bob)})"]
    bob.append(MESSAGE, "Hidden")
    bob.say("SETACL Box alice@a.test -r")
    assert at_last(alice) == [f'* LIST (\\NoAccess \\HasNoChildren) "/" {BOX}']
    bob.append(MESSAGE, "Box")
    assert alice.say("NOOP") == ["OK NOOP completed"]
    # RFC 5465 §3.1: it can be listed and not be watched.
    assert f'* LIST (\\NoAccess) "/" {BOX}' in alice.say(f"NOTIFY SET (mailboxes {BOX} {events})")
    assert len(alice.say(f"NOTIFY SET (personal {events})")) == 1
    alice.say(f'NOTIFY SET (subtree "Other Users" {events})')
    bob.say("SETACL Box alice@a.test lr")
    assert at_last(alice) == [
        f'* LIST (\\HasNoChildren) "/" {BOX}',
        STATUS_OF_BOX.format(4, 5, validity(bob)),
    ]
    bob.say("DELETEACL Box alice@a.test")
    assert at_last(alice) == [f'* LIST (\\NonExistent) "/" {BOX}']
    # What is personal is one's own.
    bob.say("SETACL Box alice@a.test lr")
    alice.say(f"NOTIFY SET (personal {events})")
    bob.append(MESSAGE, "Box")
    assert alice.say("NOOP") == ["OK NOOP completed"]


def validity(bob: Client) -> str:
    return bob.say("STATUS Box (UIDVALIDITY)")[0].split("UIDVALIDITY ")[1].rstrip(")")


def test_what_a_reader_notes_is_his_own(imap: Imap) -> None:
    carol = imap.client("carol@a.test")
    bob = box_of_bob(imap, "lr")
    bob.say("SETACL Box carol@a.test lr")
    bob.say('SETMETADATA Box (/private/comment "bob\'s" /shared/comment "for all")')
    alice, again = imap.client("alice@a.test"), imap.client("alice@a.test")
    again.say(f"NOTIFY SET (mailboxes {BOX} (MailboxMetadataChange))")
    assert alice.say(f'SETMETADATA {BOX} (/private/comment "alice\'s" /private/x "1")')[-1].startswith("OK")
    assert at_last(again) == [f"* METADATA {BOX} /private/comment /private/x"]
    ask = "(/private/comment /shared/comment)"
    for client, box, own in ((alice, BOX, '"alice\'s"'), (carol, BOX, "NIL"), (bob, "Box", '"bob\'s"')):
        assert client.say(f"GETMETADATA {box} {ask}")[0] == (
            f'* METADATA {box} (/private/comment {own} /shared/comment "for all")'
        )
    listed = alice.say(f'LIST "" {BOX} RETURN (METADATA (/private/comment /private/x))')
    assert f'* METADATA {BOX} (/private/comment "alice\'s" /private/x "1")' in listed
    # Both kinds at once need the right that the shared one needs, and then nothing is done.
    both = f'SETMETADATA {BOX} (/private/comment "new" /shared/comment "new")'
    assert alice.say(both)[-1].startswith("NO [NOPERM]")
    assert '"alice\'s"' in alice.say(f"GETMETADATA {BOX} /private/comment")[0]
    bob.say("SETACL Box alice@a.test +w")
    assert alice.say(both)[-1].startswith("OK")
    assert bob.say(f"GETMETADATA Box {ask}")[0].endswith('(/private/comment "bob\'s" /shared/comment "new")')
    assert alice.say(f"SETMETADATA {BOX} (/private/comment NIL /private/x NIL)")[-1].startswith("OK")
    assert alice.say(f"GETMETADATA {BOX} /private/x")[0] == f"* METADATA {BOX} (/private/x NIL)"
    # Of what the owner shares, a watcher is told too; of what is private to him, nobody is.
    bob.say('SETMETADATA Box (/private/comment "other" /shared/comment "newest")')
    assert hears(again, f"* METADATA {BOX} /shared/comment")
    # Who may not read the mailbox any more has nothing there either.
    bob.say("DELETEACL Box alice@a.test")
    assert alice.say(f"GETMETADATA {BOX} /private/x")[-1].startswith("NO [NONEXISTENT]")
    assert alice.say(f'SETMETADATA {BOX} (/private/x "2")')[-1].startswith("NO [NONEXISTENT]")
