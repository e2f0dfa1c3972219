"""LANGUAGE (RFC 5255 §3): what people read is in the language that they chose, all of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import imap as package
import pytest
from imap.core.languages import LANGUAGES, TEXTS, chosen, translated

from tests.support.imap_memory import PASSWORD, Imap

SAYING = {"ok", "No", "Bad", "Answer", "untagged", "end"}
# Which of its arguments is for people.
PLACES = {"Answer": 1, "untagged": 1}


def texts() -> Iterator[tuple[str, str]]:
    """All that this service says to people, with the file; what is put in is 7."""
    for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            found: str | None = None
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                place = PLACES.get(name, 0)
                if name in SAYING and len(node.args) > place:
                    found = sample(node.args[place])
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                # NAME = ("a text", "its code")
                two = [sample(element) for element in node.value.elts]
                found = two[0] if len(two) == 2 and None not in two else None
            elif isinstance(node, ast.Assign) and path.name in ("wire.py", "progress.py"):
                found = sample(node.value)
            if found is not None and " " in found.strip() and found[0] not in "/*(":
                yield found, path.name


def sample(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None


def test_there_are_texts() -> None:
    assert len({text for text, _ in texts()}) > 80


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_text_is_translated(language: str) -> None:
    assert {(text, file) for text, file in texts() if translated(text, language) == text} == set()


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_no_translation_is_of_a_text_that_is_not_said(language: str) -> None:
    said = {text for text, _ in texts()} | {"Goodbye", "Moved", "Welcome", "That charset is not known"}
    assert set(TEXTS[language]) - said == set()


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        (["de"], "de"),
        (["DE-at"], "de"),
        (["fr-CA", "en-CA"], "en"),
        (["fr"], None),
        (["default"], "en"),
        (["*"], "en"),
        (["i-default"], "i-default"),
        ([""], None),
    ],
)
def test_ranges(ranges: list[str], found: str | None) -> None:
    assert chosen(ranges, "en") == found


def test_answers_are_in_the_language(imap: Imap) -> None:
    client = imap.connect()
    client.exchange(b"")
    assert client.say("LANGUAGE") == [f"* LANGUAGE ({' '.join(LANGUAGES)})", "OK LANGUAGE completed"]
    assert client.say("LANGUAGE tlh") == ["NO That language is not spoken here"]
    assert client.say("LANGUAGE tlh de-CH") == ["* LANGUAGE (de)", "OK LANGUAGE ausgeführt"]
    assert client.say("SELECT INBOX")[-1] == "BAD [CLIENTBUG] Bitte zuerst anmelden"
    assert client.say("LANGUAGE tlh") == ["NO Diese Sprache wird hier nicht gesprochen"]
    assert client.say(f"LOGIN alice {PASSWORD}")[-1].endswith("] Willkommen")
    assert "* OK [UIDNEXT 1] Die nächste UID" in client.say("SELECT INBOX")
    assert client.say("SELECT Nirgendwo")[-1] == "NO [NONEXISTENT] Diesen Ordner gibt es nicht"
    assert client.say('LANGUAGE "default"')[0] == "* LANGUAGE (en)"
    assert client.say("NOOP") == ["OK NOOP completed"]
    client.say("LANGUAGE de")
    assert client.say("UNAUTHENTICATE")[-1] == "OK UNAUTHENTICATE completed"
    assert client.say("LANGUAGE de")[-1] == "OK LANGUAGE ausgeführt"
    assert client.say("LOGOUT")[0] == "* BYE Auf Wiedersehen"


def test_whom_the_operator_prefers() -> None:
    imap = Imap(language="de")
    try:
        client = imap.client()
        assert client.say("NOOP") == ["OK NOOP completed"]
        assert client.say("LANGUAGE default")[0] == "* LANGUAGE (de)"
    finally:
        imap.close()
