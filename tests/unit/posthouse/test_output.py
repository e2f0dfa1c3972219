"""What strangers wrote goes to an operator's terminal: as text, and as nothing else."""

import pytest
from posthouse.errors import Problem
from posthouse.output import console, guarded, harmless, table

# Sets a window's title, clears the screen, moves back, turns what follows around.
HOSTILE = "a\x1b]0;title\x07\x9b2J\x08\r\x7f\u202eb"
SHOWN = "a\ufffd]0;title\ufffd\ufffd2J\ufffd\ufffd\ufffd\ufffdb"


def test_what_commands_a_terminal_is_seen_and_not_obeyed() -> None:
    assert harmless(HOSTILE) == SHOWN
    assert harmless("lines\nand\ttabs, \u00fcml\u00e4ute, \u200d and \u3000") == (
        "lines\nand\ttabs, \u00fcml\u00e4ute, \u200d and \u3000"
    )


def test_of_everything_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console.print(HOSTILE, markup=False)
    table([{"sender": HOSTILE, "replies": [HOSTILE]}], ("sender", "replies"), "")
    with pytest.raises(Exception, match="1"):
        guarded(_failing)()
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err.count(SHOWN)) == (3, 1)
    assert not {"\x1b", "\x9b", "\x07", "\r", "\u202e"} & set(out + err)


def _failing() -> None:
    raise Problem(HOSTILE)


def test_what_is_in_brackets_or_colons_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("mailbox [Gmail]/Trash deleted", "mailbox [/x] deleted", "[bold]", "a :smile: b"):
        console.print(text)
        assert capsys.readouterr().out == text + "\n"
