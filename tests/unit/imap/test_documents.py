"""Texts of attached documents: what is read of each kind, and what becomes of those that are made to do harm."""

import random
import sys

import pytest
from imap import documents
from imap.adapters.reading_documents import Documents
from imap.core.markup import from_html
from imap.documents import LONGEST_CHARACTERS, LONGEST_OCTETS, UNPACKED_OCTETS, text_of

from tests.support.documents import archive, docx, pdf


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (docx("The stork", "flies &amp; nests"), "The stork\nflies & nests\n"),
        (
            archive(xl__sharedStrings_xml="<sst><si><t>north</t></si><si><t>south</t></si></sst>"),
            "north\nsouth\n",
        ),
        (
            archive(
                xl__worksheets__sheet1_xml='<row><c><v>42</v></c><c t="inlineStr"><is><t>east</t></is></c></row>'
            ),
            "<t>east</t>".replace("<t>", "").replace("</t>", ""),
        ),
        (archive(ppt__slides__slide1_xml="<a:p><a:r><a:t>title</a:t></a:r></a:p>"), "title\n"),
        (archive(content_xml="<text:p>open<text:s/>document</text:p>"), "open\ndocument\n"),
        (pdf("A stork in a PDF"), "A stork in a PDF"),
        (b"\r\n\r\n" + pdf("not at its beginning"), "not at its beginning"),
        # Others, broken ones, and none.
        (archive(secret_xml="<w:p>not read</w:p>"), ""),
        (b"MZ\x90\0", ""),
        (b"", ""),
        (b"PK\x03\x04 and nothing more", ""),
        (b"%PDF-1.7 and nothing more", ""),
    ],
)
def test_what_is_read(document: bytes, text: str) -> None:
    assert text_of(document) == text


def test_entities_of_its_own_are_not_opened() -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    assert "haha" not in text_of(archive(word__document_xml=laughs + "<w:p>&b;&f;</w:p>")).replace(
        '"haha"', ""
    )
    assert "root:" not in text_of(archive(word__document_xml=laughs + "<w:p>&f;</w:p>"))


def test_a_bomb_is_unpacked_so_far_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    octets: list[int] = []
    of_markup = documents._of_markup

    def counted(text: str) -> str:
        octets.append(len(text))
        return of_markup(text[:100])

    monkeypatch.setattr(documents, "_of_markup", counted)
    text_of(archive(**{f"word__header{n}_xml": b"x" * (UNPACKED_OCTETS // 2 + 1) for n in range(4)}))
    assert sum(octets) <= UNPACKED_OCTETS


def test_no_more_is_kept_than_there_is_room_for() -> None:
    assert len(text_of(docx("x" * LONGEST_CHARACTERS, "y"))) <= LONGEST_CHARACTERS


def test_damaged_documents_break_nothing() -> None:
    dice = random.Random(7)
    for good in (docx("some text", "more"), pdf("some text")):
        for _ in range(60):
            damaged = bytearray(good)
            for _ in range(dice.randint(1, 6)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            assert isinstance(text_of(bytes(damaged)), str)


async def test_a_process_of_its_own_reads_them() -> None:
    reader = Documents()
    assert (await reader.text_of(pdf("one"))).strip() == "one"
    first = reader._process
    assert await reader.text_of(docx("zwei Störche")) == "zwei Störche\n"
    assert reader._process is first
    assert await reader.text_of(b"nothing") == ""
    assert await reader.text_of(b"x" * (LONGEST_OCTETS + 1)) == ""
    await reader.close()
    assert first is not None
    assert first.returncode is not None
    assert await reader.text_of(docx("again")) == "again\n"
    await reader.close()
    await reader.close()


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit",
        "import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff'); sys.stdout.flush()",
        "import sys; sys.stdout.buffer.write(b'\\0\\0')",
    ],
)
async def test_one_that_dies_or_says_nonsense_is_ended_and_the_next_document_is_read(program: str) -> None:
    reader = Documents()
    command, reader.command = reader.command, (sys.executable, "-c", program)
    assert await reader.text_of(docx("one")) == ""
    assert reader._process is None
    reader.command = command
    assert await reader.text_of(docx("two")) == "two\n"
    await reader.close()


async def test_one_that_takes_too_long_is_ended() -> None:
    reader = Documents(answer_seconds=0.0)
    assert await reader.text_of(docx("one")) == ""
    assert reader._process is None


async def test_it_has_none_of_our_settings_and_can_write_no_file() -> None:
    program = (
        "import os, resource, sys; from imap import documents; documents.text_of = lambda document: "
        "' '.join(sorted(os.environ)) + repr(resource.getrlimit(resource.RLIMIT_FSIZE)) + "
        "repr(resource.getrlimit(resource.RLIMIT_AS)[0] == documents.MEMORY_OCTETS) + "
        "repr(0 < resource.getrlimit(resource.RLIMIT_CPU)[0] <= 60); documents.main()"
    )
    reader = Documents()
    reader.command = (sys.executable, "-I", "-c", program)
    said = await reader.text_of(b"any")
    await reader.close()
    assert said.removeprefix("LC_CTYPE") == "(0, 0)TrueTrue"


def test_html_is_what_a_reader_sees() -> None:
    assert from_html("<p>one&nbsp;<b>t</b>wo</p><style>x</style>").split() == ["one", "t", "wo"]
