"""Results that are kept up to date (RFC 5267), while others change the mailbox."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailstore import StoreUnavailable

from tests.support.imap_memory import Client, Imap


def letter(subject: str) -> str:
    return f"Subject: {subject}\n\nx\n"


def esearches(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("* ESEARCH")]


def search(client: Client, words: str) -> str:
    """A searching command; the tag that its updates bear."""
    said = client.say(words)
    assert said[-1].startswith("OK"), said
    return said[0].split('"')[1]


def test_what_comes_and_goes_is_told(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for subject in ("a", "b", "c"):
        one.append(letter(subject))
    two.say("NOOP")
    one.say("NOOP")
    tag = search(two, "SEARCH RETURN (UPDATE COUNT) UNSEEN")
    by_uid = search(two, "UID SEARCH RETURN (UPDATE CONTEXT) FLAGGED")
    # Another session's change of flags
    one.say("STORE 2 +FLAGS.SILENT (\\Seen \\Flagged)")
    assert two.say("NOOP")[:-1] == [
        "* 2 FETCH (UID 2 FLAGS (\\Seen \\Flagged \\Recent))",
        f'* ESEARCH (TAG "{tag}") REMOVEFROM (0 2)',
        f'* ESEARCH (TAG "{by_uid}") UID ADDTO (0 2)',
    ]
    # Its own: also by the way
    assert esearches(two.say("FETCH 1 BODY[TEXT]")) == [f'* ESEARCH (TAG "{tag}") REMOVEFROM (0 1)']
    assert esearches(two.say("STORE 1:3 -FLAGS (\\Seen)")) == [f'* ESEARCH (TAG "{tag}") ADDTO (0 1:2)']
    # A new message: after EXISTS
    one.append(letter("d"))
    said = two.say("NOOP")
    assert said.index("* 4 EXISTS") < said.index(f'* ESEARCH (TAG "{tag}") ADDTO (0 4)')
    # An expunge: before it
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    said = two.say("NOOP")
    assert said.index(f'* ESEARCH (TAG "{tag}") REMOVEFROM (0 1)') < said.index("* 1 EXPUNGE")
    # What may not be expunged yet is told of at once
    one.say("STORE 2 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    said = two.say("FETCH 1 UID")
    assert esearches(said) == [f'* ESEARCH (TAG "{tag}") REMOVEFROM (0 2)']
    assert "EXPUNGE" not in " ".join(said[:-1])
    assert esearches(two.say("NOOP")) == []


def test_updates_come_in_idle_and_with_notify(imap: Imap) -> None:
    one, two = imap.client(), imap.client(select="INBOX")
    tag = search(two, "UID SEARCH RETURN (UPDATE) SUBJECT wanted")
    two.exchange(b"i IDLE\r\n")
    one.append(letter("wanted"))
    one.append(letter("other"))
    said = two.heard()
    assert esearches(said) == [f'* ESEARCH (TAG "{tag}") UID ADDTO (0 1)']
    two.exchange(b"DONE\r\n")
    two.say("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
    one.append(letter("wanted too"))
    assert esearches(two.heard()) == [f'* ESEARCH (TAG "{tag}") UID ADDTO (0 3)']


def test_a_sorted_result_has_places(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for subject in ("m", "c", "x"):
        one.append(letter(subject))
    two.say("NOOP")
    tag = search(two, "UID SORT RETURN (ALL UPDATE) (SUBJECT) UTF-8 UNDELETED")
    one.append(letter("n"))
    assert esearches(two.say("NOOP")) == [f'* ESEARCH (TAG "{tag}") UID ADDTO (3 4)']
    one.append(letter("a"))
    one.append(letter("z"))
    assert esearches(two.say("NOOP")) == [f'* ESEARCH (TAG "{tag}") UID ADDTO (1 5 6 6)']
    two.say("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    two_said = two.say("STORE 3 +FLAGS.SILENT (\\Flagged)")
    assert esearches(two_said) == []
    assert two.say("UID SORT RETURN (ALL) (SUBJECT) UTF-8 UNDELETED")[0].endswith("ALL 5,4,3,6")
    assert two.say("SORT RETURN (PARTIAL 2:3 COUNT) (REVERSE SUBJECT) UTF-8 UNDELETED")[0].endswith(
        "COUNT 4 PARTIAL (2:3 3:4)"
    )


def test_numbers_mean_what_they_meant(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    for subject in ("a", "b", "c"):
        client.append(letter(subject))
    client.say("NOOP")
    tag = search(client, "SEARCH RETURN (UPDATE ALL) 2:3 UNFLAGGED")
    client.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    client.say("EXPUNGE")
    # What was 2 is 1 now.
    assert esearches(client.say("STORE 1 +FLAGS (\\Flagged)")) == [
        f'* ESEARCH (TAG "{tag}") REMOVEFROM (0 1)'
    ]
    client.append(letter("d"))
    assert esearches(client.say("NOOP")) == []


def test_updates_end(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append(letter("a"))
    first = search(client, "SEARCH RETURN (UPDATE) SEEN")
    second = search(client, "SEARCH RETURN (UPDATE) ALL")
    again = client.exchange(f"{first} SEARCH RETURN (UPDATE) ALL\r\n".encode())
    assert again.startswith(first.encode() + b" BAD")
    assert client.say(f'CANCELUPDATE "{first}" "never"') == ["OK CANCELUPDATE completed"]
    assert esearches(client.say("STORE 1 +FLAGS (\\Seen)")) == []
    client.say("SELECT INBOX")
    client.append(letter("b"))
    assert esearches(client.say("NOOP")) == []
    assert second != first


def test_there_are_only_so_many(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    for _ in range(10):
        assert not client.say("SEARCH RETURN (UPDATE) ALL")[1].startswith("* NO")
    said = client.say("SEARCH RETURN (UPDATE COUNT) ALL")
    assert said[0].startswith('* NO [NOUPDATE "t')
    assert said[1].endswith("COUNT 0")
    assert said[2].startswith("OK")


@pytest.mark.parametrize(
    "command",
    ["ESEARCH IN (personal) RETURN (UPDATE ()) ALL", "CANCELUPDATE", "SORT RETURN (SAVE) (DATE) UTF-8 ALL"],
)
def test_what_cannot_be_asked_for(imap: Imap, command: str) -> None:
    assert imap.client(select="INBOX").say(command)[-1].startswith("BAD")


def test_of_what_comes_items_are_fetched(imap: Imap) -> None:
    """RFC 5465 §7: after EXISTS and before the ESEARCH response, and only of what has come."""
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    one.append(letter("old"))
    two.say("NOOP")
    tag = search(two, "SEARCH RETURN (COUNT UPDATE (UID BODY.PEEK[HEADER.FIELDS (Subject)])) UNFLAGGED")
    sizes = search(two, "UID SORT RETURN (UPDATE (RFC822.SIZE)) (SUBJECT) UTF-8 SUBJECT new")
    one.append(letter("new"))
    assert two.say("NOOP") == [
        "* 2 EXISTS",
        "* 2 RECENT",
        "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (Subject)] {16}",
        "Subject: new",
        "",
        ")",
        f'* ESEARCH (TAG "{tag}") ADDTO (0 2)',
        "* 2 FETCH (UID 2 RFC822.SIZE 19)",
        f'* ESEARCH (TAG "{sizes}") UID ADDTO (1 2)',
        "OK NOOP completed",
    ]
    # What matches because of its flags was there before.
    one.say("STORE 1 +FLAGS.SILENT (\\Flagged)")
    two.say("NOOP")
    one.say("STORE 1 -FLAGS.SILENT (\\Flagged)")
    assert two.say("NOOP")[:-1] == [
        "* 1 FETCH (UID 1 FLAGS (\\Recent))",
        f'* ESEARCH (TAG "{tag}") ADDTO (0 1)',
    ]
    # What the client puts there itself it knows.
    two.append(letter("own"))
    assert not [line for line in two.say("NOOP") if "FETCH" in line]
    # What NOTIFY tells of it is not told twice.
    two.say("NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge))")
    one.append(letter("last"))
    assert len([line for line in two.heard() if "FETCH" in line]) == 1


def test_esearch_follows_the_selected_mailbox(imap: Imap) -> None:
    """RFC 7377 §2.2: of several mailboxes it is that one only; its answers name it."""
    one, two = imap.client(select="INBOX"), imap.client()
    assert two.say("ESEARCH IN (personal) RETURN (UPDATE) ALL")[-1].startswith("BAD")
    two.say("SELECT INBOX")
    one.append(letter("a"))
    one.append(letter("b"), "Sent")
    said = two.say("ESEARCH IN (personal) RETURN (UPDATE COUNT) UNFLAGGED")
    assert len(esearches(said)) == 2
    tag = said[0].split('"')[1]
    one.append(letter("c"))
    one.append(letter("d"), "Sent")
    of = "MAILBOX INBOX UIDVALIDITY 1700000000"
    assert esearches(two.say("NOOP")) == [f'* ESEARCH (TAG "{tag}" {of}) UID ADDTO (0 2)']
    assert two.exchange(f"{tag} ESEARCH RETURN (UPDATE) ALL\r\n".encode()).startswith(tag.encode() + b" BAD")
    assert two.say("ESEARCH IN (mailboxes Sent) RETURN (UPDATE COUNT) ALL")[1].startswith("* NO [NOUPDATE ")
    assert esearches(two.say("ESEARCH RETURN (UPDATE) ALL")) == []


def test_what_the_store_could_not_answer_is_asked_again(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    tag = search(two, "UID SEARCH RETURN (UPDATE (UID)) SUBJECT wanted")
    one.append(letter("wanted"))
    whole = imap.store.fetch

    def away(*_args: object) -> object:
        raise StoreUnavailable("away")

    monkeypatch.setattr(imap.store, "fetch", away)
    assert two.say("NOOP")[-1] == "OK NOOP completed"
    monkeypatch.setattr(imap.store, "fetch", whole)
    assert two.say("NOOP")[:-1] == ["* 1 FETCH (UID 1)", f'* ESEARCH (TAG "{tag}") UID ADDTO (0 1)']


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abcde")),
        st.tuples(st.sampled_from(["+FLAGS", "-FLAGS"]), st.integers(1, 6)),
        st.tuples(st.just("expunge"), st.integers(1, 6)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_who_follows_the_updates_has_what_a_new_search_gives(changes: list[tuple[str, object]]) -> None:
    imap = Imap()
    try:
        writer, reader = imap.client(select="INBOX"), imap.client(select="INBOX")
        sets = search(reader, "UID SEARCH RETURN (UPDATE) UNFLAGGED")
        rows = search(reader, "UID SORT RETURN (UPDATE) (REVERSE SUBJECT) UTF-8 UNFLAGGED")
        kept: dict[str, list[int]] = {sets: [], rows: []}
        for _, (verb, what) in zip(count(), changes, strict=False):
            if verb == "append":
                writer.append(letter(str(what)))
            elif verb == "expunge":
                writer.say(f"UID STORE {what} +FLAGS.SILENT (\\Deleted)")
                writer.say(f"UID EXPUNGE {what}")
            else:
                writer.say(f"UID STORE {what} {verb}.SILENT (\\Flagged)")
            for line in esearches(reader.say("NOOP")):
                follow(kept[line.split('"')[1]], line)
            found = reader.say("UID SEARCH UNFLAGGED")[0].split()[2:]
            assert sorted(kept[sets]) == [int(uid) for uid in found]
            ordered = reader.say("UID SORT (REVERSE SUBJECT) UTF-8 UNFLAGGED")[0].split()[2:]
            assert kept[rows] == [int(uid) for uid in ordered]
    finally:
        imap.close()


def follow(kept: list[int], line: str) -> None:
    """As a client does it."""
    verb = "ADDTO" if "ADDTO" in line else "REMOVEFROM"
    words = line.split(f"{verb} (")[1].rstrip(")").split()
    for place, numbers in zip(words[::2], words[1::2], strict=True):
        position = int(place)
        for part in numbers.split(","):
            low, _, high = part.partition(":")
            for uid in range(int(low), int(high or low) + 1):
                if verb == "REMOVEFROM":
                    assert position == 0 or kept[position - 1] == uid
                    kept.remove(uid)
                elif position:
                    kept.insert(position - 1, uid)
                    position += 1
                else:
                    kept.append(uid)
