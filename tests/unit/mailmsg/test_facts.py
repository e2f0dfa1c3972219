"""What IMAP will say of a message: ENVELOPE, BODYSTRUCTURE, and where each part lies."""

import email
import email.message
import email.policy
from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.facts import MAX_HEADER_KEPT_OCTETS, examine
from mailmsg.parts import PartIndex, SectionText, decode_parts

from tests.support.mime import parts_of
from tests.support.mime import text_of as written_text_of


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def index_of(message: bytes) -> PartIndex:
    return decode_parts(examine(message).parts)


def text_of(message: bytes, section: tuple[int, ...], text: SectionText = "BODY") -> bytes:
    where = index_of(message).resolve(section, text)
    assert where is not None
    return message[where[0] : where[0] + where[1]]


# The messages of RFC 9051 §8 (FETCH 12 FULL), whose answers the RFC prints.
RFC_HEADER = crlf(
    """Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev2 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

"""
)


def test_rfc9051_section_8_envelope() -> None:
    body = b"x\r\n" * 92
    facts = examine(RFC_HEADER + body)
    assert facts.envelope == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.edu>")'
    )
    assert facts.body == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 276 92)'
    assert (
        facts.bodystructure
        == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 276 92 NIL NIL NIL NIL)'
    )
    assert facts.header == RFC_HEADER
    assert facts.header_octets == len(RFC_HEADER)
    assert facts.sent_at is not None
    assert facts.sent_at.isoformat() == "1996-07-17T09:23:25+00:00"


# The tree that RFC 9051 §6.4.5.1 numbers.
NUMBERED = crlf(
    """Content-Type: multipart/mixed; boundary=top

preamble
--top
Content-Type: text/plain

one
--top
Content-Type: application/octet-stream

two
--top
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=three

--three

three one
--three
Content-Type: application/octet-stream

three two
--three--
--top
Content-Type: multipart/mixed; boundary=four

--four
Content-Type: image/gif
Content-ID: <gif>

four one
--four
Content-Type: message/rfc822

Subject: four two
Content-Type: multipart/mixed; boundary=fourtwo

--fourtwo

4.2.1
--fourtwo
Content-Type: multipart/alternative; boundary=fourtwotwo

--fourtwotwo

4.2.2.1
--fourtwotwo
Content-Type: text/richtext

4.2.2.2
--fourtwotwo--
--fourtwo--
--four--
--top--
epilogue
"""
)


def test_rfc9051_section_numbers() -> None:
    parts = {part.section: part.media_type for part in index_of(NUMBERED).parts}
    assert parts == {
        (): "multipart/mixed",
        (1,): "text/plain",
        (2,): "application/octet-stream",
        (3,): "message/rfc822",
        (3, 1): "text/plain",
        (3, 2): "application/octet-stream",
        (4,): "multipart/mixed",
        (4, 1): "image/gif",
        (4, 2): "message/rfc822",
        (4, 2, 1): "text/plain",
        (4, 2, 2): "multipart/alternative",
        (4, 2, 2, 1): "text/plain",
        (4, 2, 2, 2): "text/richtext",
    }


@pytest.mark.parametrize(
    ("section", "text", "expected"),
    [
        ((1,), "BODY", b"one"),
        ((2,), "BODY", b"two"),
        ((2,), "MIME", b"Content-Type: application/octet-stream\r\n\r\n"),
        ((3,), "HEADER", b"Subject: three\r\nContent-Type: multipart/mixed; boundary=three\r\n\r\n"),
        ((3, 1), "BODY", b"three one"),
        ((3, 1), "MIME", b"\r\n"),
        ((4, 1), "MIME", b"Content-Type: image/gif\r\nContent-ID: <gif>\r\n\r\n"),
        ((4, 2), "HEADER", b"Subject: four two\r\nContent-Type: multipart/mixed; boundary=fourtwo\r\n\r\n"),
        ((4, 2, 2, 1), "BODY", b"4.2.2.1"),
        ((4, 2, 2, 2), "BODY", b"4.2.2.2"),
        ((), "HEADER", b"Content-Type: multipart/mixed; boundary=top\r\n\r\n"),
    ],
)
def test_sections_resolve_to_their_octets(
    section: tuple[int, ...], text: SectionText, expected: bytes
) -> None:
    assert text_of(NUMBERED, section, text) == expected


def test_whole_message_and_nested_text() -> None:
    assert text_of(NUMBERED, ()) == NUMBERED
    assert text_of(NUMBERED, (), "HEADER") + text_of(NUMBERED, (), "TEXT") == NUMBERED
    assert text_of(NUMBERED, (3,)) == text_of(NUMBERED, (3,), "HEADER") + text_of(NUMBERED, (3,), "TEXT")
    assert text_of(NUMBERED, (3,), "TEXT").startswith(b"--three\r\n\r\nthree one")


@pytest.mark.parametrize(
    ("section", "text"), [((5,), "BODY"), ((1, 1), "BODY"), ((1,), "HEADER"), ((1,), "TEXT"), ((), "MIME")]
)
def test_sections_that_are_not_there(section: tuple[int, ...], text: SectionText) -> None:
    assert index_of(NUMBERED).resolve(section, text) is None


def test_nested_message_has_envelope_body_and_lines() -> None:
    message = crlf(
        """Content-Type: message/rfc822

Subject: inner
From: a@b.c

line one
line two
"""
    )
    assert examine(message).body == (
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 51 (NIL "inner" ((NIL NIL "a" "b.c")) ((NIL NIL "a" "b.c")) '
        b'((NIL NIL "a" "b.c")) NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 20 2) 5)'
    )
    assert text_of(message, (1, 1)) == b"line one\r\nline two\r\n"


def test_extension_data() -> None:
    message = crlf(
        """Content-Type: application/pdf; name="a \\"b\\".pdf"; x*0*=utf-8''a; x*1=b
Content-Disposition: attachment; filename=plan.pdf
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Language: en, mi
Content-Location: plan.pdf
Content-Transfer-Encoding: base64
Content-ID: <1@x>
Content-Description: the plan

AAAA
"""
    )
    assert examine(message).bodystructure == (
        b'("APPLICATION" "PDF" ("NAME" "a \\"b\\".pdf" "X*0*" "utf-8\'\'a" "X*1" "b") "<1@x>" "the plan" "BASE64" 6 '
        b'"Q2hlY2sgSW50ZWdyaXR5IQ==" ("ATTACHMENT" ("FILENAME" "plan.pdf")) ("en" "mi") "plan.pdf")'
    )


def test_digest_holds_messages_by_default() -> None:
    message = crlf(
        """Content-Type: multipart/digest; boundary=d

--d

Subject: one

1
--d

Subject: two

2
--d--
"""
    )
    assert [part.media_type for part in index_of(message).parts] == [
        "multipart/digest",
        "message/rfc822",
        "text/plain",
        "message/rfc822",
        "text/plain",
    ]
    assert text_of(message, (2,), "HEADER") == b"Subject: two\r\n\r\n"


def test_eight_bit_header_is_sent_as_a_literal() -> None:
    message = "Subject: Grüße\r\nFrom: Jörg <jörg@exämple.test>\r\n\r\n".encode()
    envelope = examine(message).envelope
    assert b"{7}\r\nGr\xc3\xbc\xc3\x9fe" in envelope
    assert b"({5}\r\nJ\xc3\xb6rg NIL {5}\r\nj\xc3\xb6rg {13}\r\nex\xc3\xa4mple.test)" in envelope


def test_groups_in_envelope() -> None:
    envelope = examine(b"To: Friends: a@b.c, D <d@e.f>;, undisclosed-recipients:;\r\n\r\n").envelope
    assert envelope == (
        b'(NIL NIL NIL NIL NIL ((NIL NIL "Friends" NIL)(NIL NIL "a" "b.c")("D" NIL "d" "e.f")(NIL NIL NIL NIL)'
        b'(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)'
    )


def test_repeated_destination_fields_are_one_list() -> None:
    envelope = examine(b"To: a@b\r\nSubject: s\r\nTo: c@d\r\nSubject: t\r\n\r\n").envelope
    assert b'((NIL NIL "a" "b")(NIL NIL "c" "d"))' in envelope
    assert b'"s"' in envelope
    assert b'"t"' not in envelope


def test_long_header_is_not_kept() -> None:
    header = b"X: " + b"y" * MAX_HEADER_KEPT_OCTETS + b"\r\nSubject: late\r\n\r\n"
    facts = examine(header + b"body")
    assert facts.header == b""
    assert facts.header_octets == len(header)
    assert b'"late"' in facts.envelope


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (b"", b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0)'),
        (b"\r\nbody\r\n", b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 6 1)'),
        (b"Subject: no body", b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0)'),
        (b"Content-Type: nonsense\r\n\r\n", b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0)'),
        (b"Content-Type: text/html\n\nlf\n", b'("TEXT" "HTML" NIL NIL NIL "7BIT" 3 1)'),
        # A multipart without boundary, and one without parts, are text (RFC 2045 §5.2).
        (
            b"Content-Type: multipart/mixed\r\n\r\nx",
            b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 0)',
        ),
        (
            b"Content-Type: multipart/mixed; boundary=q\r\n\r\nx",
            b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 0)',
        ),
        # A message in base64 is not looked into.
        (
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
            b'("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BASE64" 4)',
        ),
        # The last delimiter is missing; a part has no blank line; a part is empty.
        (
            b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx\r\n--q\r\nContent-Type: a/b\r\n--q\r\n",
            b'(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 1 0)("A" "B" NIL NIL NIL "7BIT" 0)'
            b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0) "MIXED")',
        ),
        # Padding after a boundary, a boundary with hyphens at its end, a line that only begins like one.
        (
            b'Content-Type: multipart/mixed; boundary="q--"\r\n\r\n--q-- \t\r\n\r\n--q\r\n--q--x\r\n--q----\r\n--q--\r\n',
            b'(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 11 1) "MIXED")',
        ),
    ],
)
def test_malformed_messages(message: bytes, body: bytes) -> None:
    assert examine(message).body == body


def test_outer_delimiter_closes_inner_multipart() -> None:
    message = crlf(
        """Content-Type: multipart/mixed; boundary=a

--a
Content-Type: multipart/mixed; boundary=b

--b

inner
--a

after
--a--
"""
    )
    assert text_of(message, (1, 1)) == b"inner"
    assert text_of(message, (2,)) == b"after"


def _shape_of_email(part: email.message.Message, top: bool = True) -> object:
    if part.get_content_type() == "message/rfc822":
        return ("message/rfc822", _shape_of_email(parts_of(part)[0]))
    if part.is_multipart():
        return [part.get_content_type(), *(_shape_of_email(p, False) for p in parts_of(part))]
    return part.get_content_type()


def _shape_of_index(index: PartIndex, section: tuple[int, ...] = (), media_type: str | None = None) -> object:
    part = index.get(section)
    assert part is not None
    children = [p for p in index.parts if len(p.section) == len(section) + 1 and p.section[:-1] == section]
    if part.holds_message:
        if len(children) == 1 and children[0].body_offset == part.text_offset:
            return ("message/rfc822", _shape_of_index(index, children[0].section))
        return ("message/rfc822", ["multipart/mixed", *(_shape_of_index(index, c.section) for c in children)])
    if part.media_type.startswith("multipart/"):
        return [part.media_type, *(_shape_of_index(index, c.section) for c in children)]
    return part.media_type


@st.composite
def messages(draw: st.DrawFn, depth: int = 0) -> email.message.Message:
    kind = draw(st.sampled_from(["text", "html", "multipart", "message"] if depth < 3 else ["text"]))
    made: email.message.Message
    if kind == "multipart":
        made = MIMEMultipart("mixed")
        for child in draw(st.lists(messages(depth + 1), min_size=1, max_size=3)):
            made.attach(child)
    elif kind == "message":
        made = MIMEMessage(draw(messages(depth + 1)))
    else:
        words = draw(st.text(st.sampled_from("ab -\n.-"), max_size=40))
        made = MIMEText(words, "html" if kind == "html" else "plain", "us-ascii")
    return made


@given(messages())
def test_tree_is_the_one_that_the_standard_library_sees(message: email.message.Message) -> None:
    octets = message.as_bytes(policy=email.policy.compat32.clone(linesep="\r\n"))
    parsed = email.message_from_bytes(octets)
    index = index_of(octets)
    expected = _shape_of_email(parsed)
    root = index.parts[0]
    found = _shape_of_index(index, () if root.media_type.startswith("multipart/") else (1,))
    assert found == expected
    # Every leaf's octets are those that the library finds.
    leaves = [p for p in parsed.walk() if not p.is_multipart()]
    ours = [
        octets[p.body_offset : p.body_offset + p.body_octets]
        for p in index.parts
        if p.section and not p.media_type.startswith(("multipart/", "message/"))
    ]
    assert [written_text_of(leaf).replace("\r\n", "\n").encode() for leaf in leaves] == [
        octets.replace(b"\r\n", b"\n") for octets in ours
    ]


def test_ordinary_message_of_the_standard_library() -> None:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "Alice <alice@example.test>"
    message["To"] = "bob@example.test"
    message["Subject"] = "An attachment"
    message.set_content("Hello.\n")
    message.add_alternative("<p>Hello.</p>", subtype="html")
    message.add_attachment(b"\x00\xff" * 1000, maintype="application", subtype="zip", filename="a.zip")
    octets = message.as_bytes()
    assert [part.media_type for part in index_of(octets).parts] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/zip",
    ]
    assert text_of(octets, (1, 1)) == b"Hello.\r\n"
