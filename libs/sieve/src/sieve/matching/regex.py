"""Regular expressions in linear time: the match type ":regex" (draft-ietf-sieve-regex).

Theory of operation: the tree becomes a list of instructions, as Thompson and Pike have it. Whether a value matches is
found by running all threads at once and remembering every set of threads as a state with its transitions (a lazy
DFA): one look-up a character once it has warmed up. What groups matched is only asked where a script can read it;
then threads carry their groups with them. The leftmost match is taken, and the longest of these; which way inside it
the groups go is by preference (first alternative, greedy repetition).
"""

from __future__ import annotations

from collections.abc import Callable

from sieve.matching.regex_syntax import (
    Anchor,
    BadRegex,
    Choice,
    Group,
    One,
    Repeat,
    Sequence,
    Signs,
    Tree,
    parse_regex,
)
from sieve.matching.remembering import Remembering
from sieve.text import MAX_MATCH_INDEX

Spend = Callable[[int], None]
"""Called with the steps that a search has cost; may raise."""

_REMEMBERING = Remembering()
_FOLLOWED_PER_STEP = 4
_ONE, _SPLIT, _JUMP, _SAVE, _START, _END, _MATCH = range(7)


class _State:
    """A set of threads that wait for a character."""

    __slots__ = ("cost", "is_match", "is_match_at_end", "next", "threads")

    def __init__(self, threads: tuple[int, ...], is_match: bool, is_match_at_end: bool, cost: int) -> None:
        self.threads = threads
        self.cost = cost
        """How many steps it is to find the next state."""
        self.is_match = is_match
        self.is_match_at_end = is_match_at_end
        self.next: dict[str, _State] = {}


class Regex:
    """A compiled expression. Raises BadRegex where it is none, or needs more than `max_states` instructions."""

    def __init__(self, pattern: str, *, ignores_case: bool, max_states: int) -> None:
        tree, self.groups = parse_regex(pattern)
        if _size(tree, max_states) > max_states:
            raise BadRegex("the expression is too large")
        self._ignores_case = ignores_case
        self._operations: list[int] = []
        self._first: list[int] = []
        self._second: list[int] = []
        self._signs: list[Signs | None] = []
        self._costs: list[int] = []
        self._emit(_SAVE, 0)
        self._compile(tree)
        self._emit(_SAVE, 1)
        self._emit(_MATCH)
        self._states: dict[tuple[tuple[int, ...], bool, bool], _State] = {}

    @property
    def size(self) -> int:
        """How many instructions it has."""
        return len(self._operations)

    def forget(self) -> None:
        """Give up what was remembered. A search that is under way in another thread goes on with what it holds."""
        self._states = {}

    def search(self, text: str, spend: Spend) -> bool:
        """True where the expression matches somewhere in the text."""
        spend(1 + len(text) // 8)
        state = self._state([0], at_start=True)
        for sign in text:
            if state.is_match:
                return True
            following = state.next.get(sign)
            if following is None:
                spend(state.cost)
                following = self._step(state, sign)
            state = following
        return state.is_match or state.is_match_at_end

    def groups_in(self, text: str, spend: Spend) -> list[str] | None:
        """The whole match, then what each group that can be asked for matched (empty where it took no part), or None."""
        best: tuple[int, ...] | None = None
        blank = (-1,) * (2 * min(self.groups, MAX_MATCH_INDEX) + 2)
        threads: list[tuple[int, tuple[int, ...]]] = []
        costs = self._costs
        for position in range(len(text) + 1):
            if best is None:
                spend(self._follow(0, blank, position, len(text), threads) // _FOLLOWED_PER_STEP)
            spend(1 + len(threads) + sum([costs[instruction] for instruction, _ in threads]))
            followed = 0
            going: list[tuple[int, tuple[int, ...]]] = []
            seen: set[int] = set()
            sign = text[position : position + 1]
            for instruction, saved in threads:
                if self._operations[instruction] == _MATCH:
                    if best is None or (saved[0], -saved[1]) < (best[0], -best[1]):
                        best = saved
                elif sign and self._takes(instruction, sign) and (best is None or saved[0] <= best[0]):
                    followed += self._follow(instruction + 1, saved, position + 1, len(text), going, seen)
            spend(followed // _FOLLOWED_PER_STEP)
            threads = going
            if best is not None and not threads:
                break
        if best is None:
            return None
        return [text[best[n] : best[n + 1]] if best[n + 1] >= 0 else "" for n in range(0, len(best), 2)]

    def _emit(self, operation: int, first: int = 0, signs: Signs | None = None) -> int:
        self._operations.append(operation)
        self._first.append(first)
        self._second.append(0)
        self._signs.append(signs)
        self._costs.append(0 if signs is None else signs.cost)
        return len(self._operations) - 1

    def _here(self) -> int:
        return len(self._operations)

    def _compile(self, tree: Tree) -> None:
        if isinstance(tree, One):
            self._emit(_ONE, signs=tree.signs)
        elif isinstance(tree, Anchor):
            self._emit(_START if tree.at_start else _END)
        elif isinstance(tree, Group):
            self._emit(_SAVE, 2 * tree.number)
            self._compile(tree.tree)
            self._emit(_SAVE, 2 * tree.number + 1)
        elif isinstance(tree, Sequence):
            for inner in tree.trees:
                self._compile(inner)
        elif isinstance(tree, Choice):
            self._compile_choice(tree)
        else:
            self._compile_repeat(tree)

    def _compile_choice(self, tree: Choice) -> None:
        jumps: list[int] = []
        for inner in tree.trees[:-1]:
            split = self._emit(_SPLIT)
            self._first[split] = self._here()
            self._compile(inner)
            jumps.append(self._emit(_JUMP))
            self._second[split] = self._here()
        self._compile(tree.trees[-1])
        for jump in jumps:
            self._first[jump] = self._here()

    def _compile_repeat(self, tree: Repeat) -> None:
        for _ in range(tree.least):
            self._compile(tree.tree)
        if tree.most is None:
            split = self._emit(_SPLIT)
            self._first[split] = self._here()
            self._compile(tree.tree)
            self._emit(_JUMP, split)
            self._second[split] = self._here()
            return
        splits: list[int] = []
        for _ in range(tree.most - tree.least):
            split = self._emit(_SPLIT)
            self._first[split] = self._here()
            splits.append(split)
            self._compile(tree.tree)
        for split in splits:
            self._second[split] = self._here()

    def _takes(self, instruction: int, sign: str) -> bool:
        signs = self._signs[instruction]
        assert signs is not None
        if not self._ignores_case or not sign.isascii() or not sign.isalpha():
            return signs.has(sign)
        lower, upper = signs.has(sign.lower()), signs.has(sign.upper())
        return (lower and upper) if signs.is_negated else (lower or upper)

    def _follow(
        self,
        start: int,
        saved: tuple[int, ...],
        position: int,
        end: int,
        threads: list[tuple[int, tuple[int, ...]]],
        seen: set[int] | None = None,
    ) -> int:
        """Add the threads that `start` leads to without a character, in order of preference. Gives how many
        instructions there were on the way."""
        if seen is None:
            seen = {instruction for instruction, _ in threads}
        before = len(seen)
        stack = [(start, saved)]
        while stack:
            instruction, saved = stack.pop()
            if instruction in seen:
                continue
            seen.add(instruction)
            operation = self._operations[instruction]
            if operation == _JUMP:
                stack.append((self._first[instruction], saved))
            elif operation == _SPLIT:
                stack.append((self._second[instruction], saved))
                stack.append((self._first[instruction], saved))
            elif operation == _SAVE:
                slot = self._first[instruction]
                if slot < len(saved):
                    saved = (*saved[:slot], position, *saved[slot + 1 :])
                stack.append((instruction + 1, saved))
            elif operation in (_START, _END):
                if position == (0 if operation == _START else end):
                    stack.append((instruction + 1, saved))
            else:
                threads.append((instruction, saved))
        return len(seen) - before

    def _reach(self, starts: list[int], *, at_start: bool, at_end: bool) -> tuple[tuple[int, ...], bool]:
        seen: set[int] = set()
        waiting: list[int] = []
        is_match = False
        stack = list(starts)
        while stack:
            instruction = stack.pop()
            if instruction in seen:
                continue
            seen.add(instruction)
            operation = self._operations[instruction]
            if operation == _ONE:
                waiting.append(instruction)
            elif operation == _MATCH:
                is_match = True
            elif operation == _JUMP:
                stack.append(self._first[instruction])
            elif operation == _SPLIT:
                stack.append(self._first[instruction])
                stack.append(self._second[instruction])
            elif operation == _SAVE or (operation == _START and at_start) or (operation == _END and at_end):
                stack.append(instruction + 1)
        return tuple(sorted(waiting)), is_match

    def _state(self, starts: list[int], *, at_start: bool) -> _State:
        threads, is_match = self._reach(starts, at_start=at_start, at_end=False)
        _, is_match_at_end = self._reach(starts, at_start=at_start, at_end=True)
        key = (threads, is_match, is_match_at_end)
        states = self._states
        known = states.get(key)
        if known is None:
            known = states.setdefault(key, _State(*key, self._cost(threads)))
            _REMEMBERING.note(self, 4 + len(threads))
        return known

    def _cost(self, threads: tuple[int, ...]) -> int:
        """Every instruction may be passed, and every thread asks its characters."""
        return 5 + self.size // 16 + sum([self._costs[each] for each in threads])

    def _step(self, state: _State, sign: str) -> _State:
        starts = [instruction + 1 for instruction in state.threads if self._takes(instruction, sign)]
        starts.append(0)  # A match may begin anywhere.
        following = self._state(starts, at_start=False)
        state.next[sign] = following
        _REMEMBERING.note(self, 1)
        return following


def _size(tree: Tree, limit: int) -> int:
    """How many instructions a tree needs, or some number above the limit."""
    if isinstance(tree, One | Anchor):
        return 1
    if isinstance(tree, Group):
        return _size(tree.tree, limit) + 2
    if isinstance(tree, Repeat):
        times = tree.least + 1 if tree.most is None else max(tree.most, 1)
        return (_size(tree.tree, limit) + 2) * times
    total = 0
    for inner in tree.trees:
        total += _size(inner, limit) + 2
        if total > limit:
            break
    return total
