"""What all clients together know of the mailboxes: what was put where, and what may be gone."""

from collections import defaultdict
from dataclasses import dataclass, field

# A mailbox's name and a UID.
Place = tuple[str, int]


class Contradiction(AssertionError):
    """The server said two things that cannot both be true."""


@dataclass
class Truth:
    """Shared by the clients of one run."""

    # Which letter is where, as the servers' answers say (APPENDUID, COPYUID).
    letters: dict[Place, int] = field(default_factory=dict)
    # The highest UID that an answer has named, for each mailbox.
    highest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    # Had \\Deleted at some time, or a copy of it had: somebody's EXPUNGE may have taken it.
    doomed: set[Place] = field(default_factory=set)
    # Gone to another mailbox, and by which client's command.
    moved: dict[Place, Place] = field(default_factory=dict)
    # Somebody was told that it is gone.
    gone: set[Place] = field(default_factory=set)
    # Letters that were read, some of them before the answer to who put them there came.
    seen: dict[Place, int] = field(default_factory=dict)
    # Copies whose source's letter is not known yet: source, target, the highest UID before.
    pending: list[tuple[Place, Place, int]] = field(default_factory=list)
    letters_made: int = 0
    operations: int = 0

    def next_letter(self) -> int:
        """A number that no letter has."""
        self.letters_made += 1
        return self.letters_made

    def put(self, place: Place, number: int, above: int) -> None:
        """An answer says that a letter is there now; `above`: the highest UID when the command was given."""
        box, uid = place
        if place in self.letters:
            raise Contradiction(
                f"UID {uid} of {box} was given twice: letters {self.letters[place]}, {number}"
            )
        if uid <= above:
            raise Contradiction(f"UID {uid} of {box} is new, but {above} was given before it was asked for")
        if self.seen.get(place, number) != number:
            raise Contradiction(f"UID {uid} of {box} was letter {self.seen[place]} before it was {number}")
        self.letters[place] = number
        self.highest[box] = max(self.highest[box], uid)

    def saw(self, place: Place, number: int) -> None:
        """A client read a letter there."""
        known = self.letters.get(place, self.seen.get(place, number))
        if known != number:
            raise Contradiction(f"{place} is letter {number}, and was letter {known}")
        self.seen[place] = number

    def copied(self, source: Place, target: Place, above: int) -> None:
        """COPYUID."""
        number = self.letters.get(source)
        if number is None:
            # The answer to the client that put the source there is still under way.
            self.highest[target[0]] = max(self.highest[target[0]], target[1])
            self.pending.append((source, target, above))
            return
        if source in self.doomed:
            self.doomed.add(target)
        self.put(target, number, above)

    def was_moved(self, source: Place, target: Place, above: int) -> None:
        """COPYUID of a MOVE."""
        if source in self.moved:
            raise Contradiction(f"{source} went to {self.moved[source]} and to {target}")
        self.copied(source, target, above)
        self.moved[source] = target

    def settle(self) -> None:
        """No command is under way: every copy's letter is known now, and what it inherited."""
        waiting, self.pending = self.pending, []
        while waiting:
            left = []
            for source, target, above in waiting:
                number = self.letters.get(source)
                if number is None:
                    left.append((source, target, above))
                    continue
                if source in self.doomed:
                    self.doomed.add(target)
                self.put(target, number, above)
            if len(left) == len(waiting):
                raise Contradiction(f"copies of what nobody put there: {left}")
            waiting = left

    def check_end(self, box: str, found: dict[int, int]) -> None:
        """`found`: the UIDs that are there, and their letters (0: not read). Nothing is under way."""
        for uid, number in found.items():
            place = (box, uid)
            if place not in self.letters:
                raise Contradiction(f"{place} is there, and nobody put it there")
            if place in self.moved:
                raise Contradiction(f"{place} is there, and went to {self.moved[place]}")
            if place in self.gone:
                raise Contradiction(f"{place} is there, and somebody was told that it is gone")
            if number and number != self.letters[place]:
                raise Contradiction(f"{place} is letter {number}, not {self.letters[place]}")
        for place in self.letters:
            if (
                place[0] == box
                and place[1] not in found
                and place not in self.doomed
                and place not in self.moved
            ):
                raise Contradiction(f"{place}, letter {self.letters[place]}, is lost: nobody deleted it")
