"""How often somebody has tried lately."""

from directory.core.lately import MOST_KEPT, WINDOW_SECONDS, Lately


def test_tries_count_over_two_windows_and_are_forgotten() -> None:
    lately = Lately()
    assert [lately.tries("a", second) for second in (0.0, 1.0, 59.9)] == [0, 1, 2]
    assert lately.tries("b", 59.9) == 0
    assert lately.tries("a", WINDOW_SECONDS) == 3
    assert lately.tries("a", 2 * WINDOW_SECONDS) == 1
    assert lately.tries("a", 10 * WINDOW_SECONDS) == 0


def test_what_is_kept_is_bounded() -> None:
    lately = Lately()
    for number in range(MOST_KEPT + 100):
        lately.tries(str(number), 0.0)
    assert len(lately._current) == MOST_KEPT
    assert lately.tries("1", 0.0) == 1
