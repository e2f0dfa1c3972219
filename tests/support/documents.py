"""Documents with a text in them, as small as their kinds allow."""

import io
import zipfile

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def archive(**parts: str | bytes) -> bytes:
    """Parts by name; __ stands for a slash."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return made.getvalue()


def docx(*paragraphs: str) -> bytes:
    """Each paragraph's words are cut by markup, as they are after an edit."""
    runs = "".join(
        "<w:p>"
        + "".join(
            f"<w:r><w:t>{half}</w:t></w:r>" for half in (text[: len(text) // 2], text[len(text) // 2 :])
        )
        + "</w:p>"
        for text in paragraphs
    )
    return archive(word__document_xml=f"<w:document {WORD}><w:body>{runs}</w:body></w:document>")


def pdf(text: str) -> bytes:
    """One page with one line (ISO 32000-2 §7.5)."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
    ]
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(made)
    return made + b"xref\n0 5\n0000000000 65535 f \n" + table + end
