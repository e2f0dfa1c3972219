"""What the gate learns beside IMAP's answers: which list sent a message, and whether it has attachments."""

import pytest
from mailmsg.facts import examine
from mailmsg.tree import MAX_DEPTH, MAX_PARTS


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        # The examples of RFC 2919 §3.
        ("List-Id: List Header Mailing List <list-header.nisto.com>", b"list-header.nisto.com"),
        ("List-Id: <commonspace-users.list-id.within.com>", b"commonspace-users.list-id.within.com"),
        (
            'List-Id: "Lena\'s Personal Joke List"\n'
            "         <lenas-jokes.da39efc25c530ad145d41b86f7420c3b.021999.localhost>",
            b"lenas-jokes.da39efc25c530ad145d41b86f7420c3b.021999.localhost",
        ),
        ('List-Id: "An internal CMU List" <0Jks9449.list-id.cmu.edu>', b"0jks9449.list-id.cmu.edu"),
        # §6: whatever the case; §3: white space inside is ignored.
        ("LIST-ID: <Birds.Example.ORG>", b"birds.example.org"),
        ("List-Id: < birds .\n example.org >", b"birds.example.org"),
        ('List-Id: "a <b.example> c" <birds.example.org>', b"birds.example.org"),
        ("List-Id: =?utf-8?q?V=C3=B6gel?= <birds.example.org>", b"birds.example.org"),
        ("List-Id: birds.example.org", b""),
        ("List-Id: <>", b""),
        ("List-Id: > <", b""),
        ("List-Id: <a", b""),
        ("List-Id:", b""),
        ("List-Id: <\0\x01birds.example.org>", b""),
        (f"List-Id: <{'a' * 243}.example.org>", b"a" * 243 + b".example.org"),
        # §2: never longer than 255 octets.
        (f"List-Id: <{'a' * 244}.example.org>", b""),
        ("Subject: no list", b""),
        # The first of several, and none of a part.
        ("List-Id: <one.example>\nList-Id: <two.example>", b"one.example"),
    ],
)
def test_list_id(field: str, expected: bytes) -> None:
    assert examine(crlf(f"From: a@x\n{field}\n\nhi\n")).list_id == expected


def test_a_list_id_inside_is_not_the_messages_own() -> None:
    inner = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nList-Id: <inner.example>\n\nx\n--b--\n"
    assert examine(crlf(inner)).list_id == b""


def test_a_list_id_beyond_the_limits_of_structure_is_known() -> None:
    parts = "--b\n\nx\n" * (MAX_PARTS + 1)
    facts = examine(
        crlf(f"List-Id: <l.example>\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
    )
    assert facts.list_id == b"l.example"
    assert facts.has_attachments is None


def multipart(subtype: str, *parts: str, boundary: str = "b") -> str:
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{subtype}; boundary={boundary}\n\n{inside}--{boundary}--\n"


TEXT = "Content-Type: text/plain\n\nhello"
HTML = "Content-Type: text/html\n\n<p>hello"
PDF = "Content-Type: application/pdf\n\n%PDF"
IMAGE = "Content-Type: image/png\n\nPNG"
LOGO = "Content-Type: image/png\nContent-ID: <logo@x>\n\nPNG"
INNER = "Content-Type: message/rfc822\n\nSubject: inner\n\nhello"


def disposed(disposition: str, part: str) -> str:
    return f"Content-Disposition: {disposition}\n{part}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("\nno header at all\n", False),
        (TEXT, False),
        (HTML, False),
        (multipart("alternative", TEXT, HTML), False),
        (multipart("mixed", TEXT), False),
        # A file beside the text; the text or the message itself as one.
        (multipart("mixed", TEXT, PDF), True),
        (multipart("mixed", TEXT, disposed("attachment", IMAGE)), True),
        (multipart("mixed", TEXT, disposed('ATTACHMENT; filename="a.txt"', TEXT)), True),
        (disposed("attachment", TEXT), True),
        (PDF, True),
        (IMAGE, False),
        (disposed("attachment", IMAGE), True),
        # RFC 2183 §2.8: an unknown disposition is an attachment.
        (multipart("mixed", TEXT, disposed("hologram", IMAGE)), True),
        (multipart("mixed", TEXT, disposed("(nothing)", PDF)), True),
        # Merely inline.
        (multipart("mixed", TEXT, IMAGE), False),
        (multipart("mixed", TEXT, disposed("inline", IMAGE)), False),
        (multipart("mixed", TEXT, disposed("inline; filename=a.pdf", PDF)), False),
        (multipart("mixed", TEXT, "Content-Type: audio/basic\n\nx", "Content-Type: video/mp4\n\nx"), False),
        # Embedded in what is first; and what nothing refers to.
        (multipart("related", HTML, LOGO), False),
        (multipart("related", HTML, "Content-Type: font/woff\nContent-Location: f.woff\n\nx"), False),
        (multipart("related", HTML, PDF), True),
        (multipart("related", HTML, disposed("attachment", LOGO)), True),
        (multipart("related", "Content-ID: <start@x>\n" + PDF, HTML), True),
        # Text that is a file: named, and not where the body would be.
        (multipart("mixed", TEXT, "Content-Type: text/plain; name=notes.txt\n\nx"), True),
        (multipart("mixed", TEXT, "Content-Type: text/html; name*0=a; name*1=.html\n\nx"), True),
        (multipart("mixed", TEXT, "Content-Type: text/plain; name*=utf-8''a.txt\n\nx"), True),
        (multipart("mixed", TEXT, TEXT), False),
        (multipart("mixed", "Content-Type: text/plain; name=body.txt\n\nx", TEXT), False),
        (multipart("mixed", TEXT, "Content-Type: text/csv\n\na,b"), True),
        (multipart("mixed", TEXT, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR"), True),
        # Other forms of the same.
        (multipart("alternative", TEXT, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR"), False),
        (multipart("alternative", TEXT, disposed("attachment", PDF)), True),
        (multipart("alternative", TEXT, multipart("mixed", HTML, PDF, boundary="c")), True),
        # For programs.
        (multipart("signed", TEXT, "Content-Type: application/pgp-signature\n\nx"), False),
        (
            multipart("signed", multipart("mixed", TEXT, PDF, boundary="c"), "Content-Type: a/pkcs7\n\nx"),
            True,
        ),
        (multipart("report", TEXT, "Content-Type: message/delivery-status\n\nx: y", INNER), False),
        (multipart("report", TEXT, disposed("attachment", INNER)), True),
        # Messages inside are parts as others; what is in them is theirs.
        (multipart("mixed", TEXT, INNER), True),
        (multipart("mixed", TEXT, disposed("inline", INNER)), False),
        (
            multipart(
                "mixed",
                disposed(
                    "inline", "Content-Type: message/rfc822\n\n" + multipart("mixed", PDF, boundary="c")
                ),
            ),
            False,
        ),
        (multipart("digest", "\nSubject: one\n\nx"), True),
        # Encrypted: nobody can say; but for what stands beside it.
        (multipart("encrypted", "Content-Type: application/pgp-encrypted\n\nVersion: 1", PDF), None),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx", None),
        (multipart("mixed", multipart("encrypted", PDF, boundary="c"), TEXT), None),
        (multipart("mixed", multipart("encrypted", PDF, boundary="c"), PDF), True),
        # Malformed.
        ("Content-Type: multipart/mixed\n\nno boundary", False),
        ("Content-Type: multipart/mixed; boundary=b\n\nno part", False),
        (multipart("mixed", TEXT, "Content-Type: nonsense\n\nx"), False),
    ],
)
def test_has_attachments(message: str, expected: bool | None) -> None:
    assert examine(crlf(message)).has_attachments is expected


def test_what_is_nested_deeper_than_is_looked_at_is_one() -> None:
    """It is told of as application/octet-stream, and looks like a file to every reader."""
    message = TEXT
    for depth in range(MAX_DEPTH + 2):
        message = multipart("mixed", message, boundary=f"b{depth}x")
    assert examine(crlf(message)).has_attachments is True
