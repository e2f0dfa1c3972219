"""ENVELOPE and BODYSTRUCTURE of some hundred messages as Dovecot has them: made by grammar, the same in every run."""

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from mailmsg.facts import examine

from tests.support.dovecot_says import PROGRAM, Value, parse, says
from tests.support.platform import open_to_others

pytestmark = [
    pytest.mark.skipif(
        not Path(PROGRAM).exists(), reason="needs the Debian package dovecot-imapd, which is not installed"
    ),
    pytest.mark.skipif(
        os.geteuid() != 0, reason="Dovecot's master process changes users, which only root may"
    ),
]

ADDRESSES = (
    b"a@b.test",
    b"<a@b.test>",
    b'"Quoted, Name" <q@b.test>',
    b"Plain Name <p@b.test>, other@c.test",
    b"=?utf-8?q?J=C3=B6rg?= <j@b.test>",
    b"undisclosed-recipients:;",
    b"Team: x@b.test, Y <y@b.test>;, z@b.test",
    b'"quoted local"@b.test',
    b"a@b.test (a comment)",
    b"One <one@b.test>,\r\n Two <two@b.test>,\r\n\tthree@b.test",
    b"",
)
SUBJECTS = (
    b"plain",
    b'with "quotes" and \\ backslash',
    b"=?utf-8?b?w7bDvA==?=",
    b"folded\r\n over two lines",
    b"",
)
TYPES = (
    b"",
    b"Content-Type: text/plain\r\n",
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    b'Content-Type: TEXT/HTML; charset="iso-8859-1"; format=flowed\r\n',
    b'Content-Type: application/pdf; name="a b.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="a b.pdf"; size=12\r\n',
    b"Content-Type: image/png\r\nContent-ID: <1@b.test>\r\nContent-Description: a picture\r\n"
    b"Content-Location: http://b.test/x.png\r\n",
    b"Content-Type: text/plain\r\nContent-Language: en, de\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n",
)
BODY = b"one line\r\ntwo lines\r\n"


def leaf(random_: random.Random) -> bytes:
    return random_.choice(TYPES) + b"\r\n" + BODY * random_.randrange(4)


def multipart(random_: random.Random, depth: int) -> bytes:
    boundary = f"b{depth}-{random_.randrange(10_000)}".encode()
    kind = random_.choice((b"mixed", b"alternative", b"related"))
    parts = []
    for _ in range(random_.randrange(1, 4)):
        choice = random_.randrange(6)
        if depth < 3 and choice == 0:
            parts.append(multipart(random_, depth + 1))
        elif depth < 3 and choice == 1:
            parts.append(b"Content-Type: message/rfc822\r\n\r\n" + header(random_) + leaf(random_))
        else:
            parts.append(leaf(random_))
    inner = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    preamble = random_.choice((b"", b"This is a preamble.\r\n"))
    epilogue = random_.choice((b"", b"And an epilogue.\r\n"))
    return (
        b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"\r\n\r\n'
        + preamble + inner + b"--" + boundary + b"--\r\n" + epilogue
    )  # fmt: skip


def header(random_: random.Random) -> bytes:
    fields = [
        b"Date: Sat, 21 Nov 2026 12:00:00 +0000",
        b"Subject: " + random_.choice(SUBJECTS),
        b"Message-ID: <%d@b.test>" % random_.randrange(10**6),
        b"MIME-Version: 1.0",
    ]
    for name in (b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc"):
        if name == b"From" or random_.random() < 0.4:
            fields.append(name + b": " + random_.choice(ADDRESSES))
    if random_.random() < 0.3:
        fields.append(b"In-Reply-To: <before@b.test>")
    random_.shuffle(fields)
    return b"\r\n".join(fields) + b"\r\n"


def messages() -> Iterator[bytes]:
    for address, subject in itertools.product(ADDRESSES, SUBJECTS):
        yield b"From: " + address + b"\r\nTo: " + address + b"\r\nSubject: " + subject + b"\r\n\r\n" + BODY
    for kind in TYPES:
        yield b"From: a@b.test\r\nMIME-Version: 1.0\r\n" + kind + b"\r\n" + BODY
    random_ = random.Random(20261121)
    for _ in range(240):
        yield header(random_) + (multipart(random_, 0) if random_.random() < 0.8 else leaf(random_))


def alike(value: Value) -> Value:
    """What both may say as they like.

    Types, names of parameters and encodings are said in any case (RFC 2045 §5.1). Dovecot writes out the charset that a
    text has where it names none (RFC 2045 §5.2); we say what is there.
    """
    if not isinstance(value, list):
        return value.lower() if value is not None else None
    items = [alike(each) for each in value]
    if len(items) >= 7 and items[0] == b"text":
        named = items[2] if isinstance(items[2], list) else []
        if b"charset" not in named[::2]:
            items[2] = [b"charset", b"us-ascii", *named]
    return items


def test_both_say_the_same(tmp_path: Path) -> None:
    open_to_others(tmp_path)
    sent = list(messages())
    assert len(sent) > 300
    differ: list[tuple[bytes, Value, Value]] = []
    for message, (envelope, structure) in zip(sent, says(tmp_path / "dovecot", sent), strict=True):
        facts = examine(message)
        ours, _ = parse(facts.envelope, 1)
        our_structure, _ = parse(facts.bodystructure, 1)
        if ours != envelope:
            differ.append((message[:400], ours, envelope))
        if alike(our_structure) != alike(structure):
            differ.append((message[:400], alike(our_structure), alike(structure)))
    assert not differ, (len(differ), differ[:3])
