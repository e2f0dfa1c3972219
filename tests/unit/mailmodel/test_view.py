"""A session's view: what it announces is true, whatever the others do and in whatever order it hears of it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from mailmodel import Entry, Flags, SystemFlag
from mailmodel.view import Exists, Expunged, FlagsChanged, MayExpunge, SessionView


def view(*uids: int) -> SessionView:
    return SessionView(
        uids,
        [0] * len(uids),
        {},
        [1] * len(uids),
        highest_modseq=1,
        uid_next=max(uids, default=0) + 1,
        recent_from_uid=10**9,
    )


def entry(uid: int, system: int = 0, keywords: frozenset[str] = frozenset(), modseq: int = 2) -> Entry:
    return Entry(uid, modseq, Flags(SystemFlag(system), keywords))


def test_expunges_wait_while_numbers_could_be_meant() -> None:
    session = view(1, 2, 3)
    session.apply([], [2], 2, 4)
    assert session.flush(MayExpunge.NO) == []
    assert session.uid_of(3) == 3
    assert session.flush(MayExpunge.YES) == [Expunged(2, 2)]
    assert session.uid_of(2) == 3


def test_new_messages_are_announced_and_have_no_number_before() -> None:
    session = view(1)
    session.apply([entry(5)], [], 2, 6)
    assert session.number_of(5) is None
    assert session.flush(MayExpunge.NO) == [Exists(2, 0)]
    assert session.number_of(5) == 2


def test_a_message_that_came_and_went_is_never_mentioned() -> None:
    session = view(1)
    session.apply([entry(5)], [], 2, 6)
    session.apply([], [5], 3, 6)
    assert session.flush(MayExpunge.YES) == []


def test_flags_are_told_once_and_only_when_they_are_others() -> None:
    session = view(1, 2)
    session.apply([entry(2, 1)], [], 2, 3)
    assert session.flush(MayExpunge.NO) == [FlagsChanged(2, 2)]
    session.apply([entry(2, 1, modseq=3)], [], 3, 3)
    assert session.flush(MayExpunge.NO) == []
    session.told([entry(1, 4)])
    session.apply([entry(1, 4)], [], 4, 3)
    assert session.flush(MayExpunge.NO) == []


def test_a_later_modseq_is_news_to_those_who_asked_for_modseqs() -> None:
    session = view(1, 2)
    session.announces_modseqs = True
    session.apply([entry(2, modseq=7)], [], 7, 3)
    assert session.flush(MayExpunge.NO) == [FlagsChanged(2, 2)]
    assert (session.modseq_of(2), session.changed_since(1)) == (7, [2])
    session.told([entry(2, 1, modseq=8)])
    session.apply([entry(2, 1, modseq=8)], [], 8, 3)
    assert session.flush(MayExpunge.NO) == []
    session.apply([entry(3, modseq=9)], [1], 9, 4)
    session.flush(MayExpunge.YES)
    assert [row[4] for row in session.rows()] == [8, 9]


def test_sets_by_number_and_by_uid() -> None:
    session = view(3, 5, 9)
    assert session.uids_by_number([(1, 2)]) == [3, 5]
    assert session.uids_by_uid([(4, 100)]) == [5, 9]
    assert session.uids_by_uid([(6, 8)]) == []
    assert session.largest_uid == 9
    try:
        session.uids_by_number([(1, 4)])
    except IndexError:
        return
    raise AssertionError("a number that is not there was taken")


class Model:
    """The mailbox as it is, and as one client believes it is."""

    def __init__(self) -> None:
        self.real: dict[int, int] = {1: 0, 2: 0, 3: 0}
        self.next = 4
        self.modseq = 1
        self.log: list[tuple[int, str, int, int]] = []
        self.session = view(1, 2, 3)
        self.believed = [1, 2, 3]

    def change(self, kind: str, place: int, flags: int) -> None:
        self.modseq += 1
        if kind == "append":
            self.real[self.next] = flags
            self.log.append((self.modseq, "changed", self.next, flags))
            self.next += 1
        elif self.real:
            uid = sorted(self.real)[place % len(self.real)]
            if kind == "flags":
                self.real[uid] = flags
                self.log.append((self.modseq, "changed", uid, flags))
            else:
                del self.real[uid]
                self.log.append((self.modseq, "expunged", uid, 0))

    def hear(self) -> None:
        news = [item for item in self.log if item[0] > self.session.highest_modseq]
        gone = [item[2] for item in news if item[1] == "expunged"]
        changed = {item[2] for item in news if item[1] == "changed"} - set(gone)
        self.session.apply(
            [entry(uid, self.real[uid]) for uid in sorted(changed)], gone, self.modseq, self.next
        )

    def announce(self, may: MayExpunge) -> None:
        for update in self.session.flush(may):
            match update:
                case Expunged():
                    assert self.believed[update.number - 1] in (-1, update.uid)
                    del self.believed[update.number - 1]
                case Exists():
                    assert update.messages >= len(self.believed), "EXISTS never counts down"
                    self.believed += [-1] * (update.messages - len(self.believed))
                case FlagsChanged():
                    assert self.believed[update.number - 1] in (-1, update.uid)
        for number, uid in enumerate(self.believed, start=1):
            if uid == -1:
                self.believed[number - 1] = self.session.uid_of(number)
        assert [self.session.uid_of(n) for n in range(1, len(self.believed) + 1)] == self.believed


steps = st.lists(
    st.tuples(
        st.sampled_from(["append", "flags", "expunge", "hear", "say", "say-and-expunge"]),
        st.integers(0, 20),
        st.integers(0, 31),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_the_client_always_knows_which_number_is_which_message(script: list[tuple[str, int, int]]) -> None:
    model = Model()
    for kind, place, flags in script:
        if kind == "hear":
            model.hear()
        elif kind == "say":
            model.announce(MayExpunge.NO)
        elif kind == "say-and-expunge":
            model.announce(MayExpunge.YES)
        else:
            model.change(kind, place, flags)
    model.hear()
    model.announce(MayExpunge.YES)
    assert model.believed == sorted(model.real)
    assert {uid: int(model.session.flags_of(uid).system) for uid in model.believed} == model.real
