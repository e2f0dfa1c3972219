"""Programs that are not there or do not run: one sentence that says what is missing."""

from pathlib import Path

import pytest
from posthouse.errors import Problem
from posthouse.passwords import ALPHABET, made_up
from posthouse.stack.programs import program, version_of


def script(folder: Path, text: str) -> str:
    path = folder / "weed"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_says_its_version(tmp_path: Path) -> None:
    assert version_of([script(tmp_path, "echo version $1; echo more"), "4.48"]) == "version 4.48"


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    loader = "weed: error while loading shared libraries: libxyz.so.2: cannot open shared object file"
    with pytest.raises(
        Problem, match=r"^weed needs the library libxyz\.so\.2, which this machine does not have"
    ):
        version_of([script(tmp_path, f"echo '{loader}' >&2; exit 127")])


def test_another_machines_program(tmp_path: Path) -> None:
    path = tmp_path / "weed"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    with pytest.raises(Problem, match=r"^weed does not run on this machine: "):
        version_of([str(path)])


def test_a_program_that_no_wheel_brought() -> None:
    with pytest.raises(Problem, match="run `make install`"):
        program("no-such-program", "some-wheel")


def test_a_password_never_looks_like_an_option_or_needs_quotes() -> None:
    assert set("".join(made_up() for _ in range(200))) <= set(ALPHABET)
    assert ALPHABET.isalnum()
