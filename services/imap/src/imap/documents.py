"""The texts of documents: PDF, Office Open XML (docx, xlsx, pptx) and OpenDocument (odt, ods, odp). No I/O but on pipes.

`python -I -m imap.documents` is the process that `adapters/reading_documents.py` starts: what strangers send is taken apart
where it can take no more time and memory than it is given, can write no file and knows no secret. Each question is a
document's length (4 octets) and the document, each answer the same of its text in UTF-8.

What a document is, it says itself by its first octets: names and types are the sender's. What cannot be read is no text.
"""

import html
import io
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator

LONGEST_OCTETS = 8 * 1024 * 1024
# As much as is kept of a message's texts (mailstore.texts).
LONGEST_CHARACTERS = 256 * 1024
PROCESSOR_SECONDS = 5
# Together with what imap itself needs it must fit into a container (deploy/k8s).
MEMORY_OCTETS = 256 * 1024 * 1024
PDF_PAGES = 500
# Of an archive: what is unpacked of all its parts together, and how many parts are looked at.
UNPACKED_OCTETS = 16 * 1024 * 1024
ARCHIVE_PARTS = 400

PDF = b"%PDF-"
# A PDF may begin a little later (ISO 32000-2 §7.5.2, as readers read it).
PDF_WITHIN = 1024
ARCHIVE = b"PK\x03\x04"
PART = re.compile(
    r"(?:word/(?:document|footnotes|endnotes|comments|header\d+|footer\d+)"
    r"|xl/sharedStrings|xl/worksheets/sheet\d+|ppt/slides/slide\d+|ppt/notesSlides/notesSlide\d+|content)\.xml"
)
# Of a worksheet only what stands in the cells as text: the others are numbers.
IN_CELLS = re.compile(rb"<is\b[^<>]*+>(.*?)</is>", re.DOTALL)
LINE_ENDS = re.compile(
    r"</(?:w:p|a:p|text:p|text:h|si|row)>|<(?:w:br|w:tab|text:tab|text:line-break|text:s)\b[^<>]*+>"
)
TAG = re.compile(r"<[^<>]*+>")


def text_of(document: bytes) -> str:
    """Its text; "" where it is none of the known kinds, or nothing can be read. Takes what time it takes."""
    if document.startswith(ARCHIVE):
        return _joined(_of_archive(document))
    if PDF in document[:PDF_WITHIN]:
        return _joined(_of_pdf(document))
    return ""


def _joined(pieces: Iterable[str]) -> str:
    """As far as there is no error, and no further than is kept."""
    kept: list[str] = []
    room = LONGEST_CHARACTERS
    try:
        for piece in pieces:
            kept.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
    except Exception:
        # A broken document, or one made to break its readers: what was read of it counts.
        pass
    return "\n".join(kept)


def _of_archive(document: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        room = UNPACKED_OCTETS
        names = [name for name in archive.namelist() if PART.fullmatch(name)]
        for name in names[:ARCHIVE_PARTS]:
            with archive.open(name) as part:
                octets = part.read(room)
            room -= len(octets)
            if name.startswith("xl/worksheets/"):
                octets = b"</si>".join(IN_CELLS.findall(octets))
            yield _of_markup(octets.decode("utf-8", "replace"))
            if room <= 0:
                return


def _of_markup(markup: str) -> str:
    """What stands between the tags. A word may be cut by tags, a paragraph ends a line; entities of its own it may not have."""
    return html.unescape(TAG.sub("", LINE_ENDS.sub("\n", markup)))


def _of_pdf(document: bytes) -> Iterator[str]:
    # Here: who reads no PDF need not load it.
    import logging

    from pypdf import PdfReader

    logging.disable(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(document))
    for number, page in enumerate(reader.pages):
        if number == PDF_PAGES:
            return
        yield page.extract_text()


def main() -> None:
    """Until there are no more questions."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(length := questions.read(4)) == 4:
        document = questions.read(int.from_bytes(length, "big"))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(usage.ru_utime + usage.ru_stime)
        # Whoever takes longer is ended by the kernel.
        resource.setrlimit(resource.RLIMIT_CPU, (spent + PROCESSOR_SECONDS, resource.RLIM_INFINITY))
        text = text_of(document).encode("utf-8", "replace")
        answers.write(len(text).to_bytes(4, "big") + text)
        answers.flush()


if __name__ == "__main__":
    main()
