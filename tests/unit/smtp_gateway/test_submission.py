"""What a submission agent owes (RFC 6409): whose addresses, what is missing, what must not travel."""

import base64
import email
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution, Target, Unavailable
from directoryclient.policies import TenantPolicy
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.downgrade import is_seven_bit
from mailproto.smtp.reply import Reply
from smtp_gateway.core.heading import (
    Heading,
    lowered_header,
    read_heading,
    refuse_header,
    without_blind_copies,
)
from smtp_gateway.core.roles import Role
from smtp_gateway.edge import accepting

from tests.support.fake_gateway import ALIASES, FakeGate, converse

OPENING = [b"EHLO c.test\r\n", b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"]
DATED = b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@foo.com>\r\n"


def submit(
    header: bytes,
    reverse_path: bytes = b"jones@foo.com",
    body: bytes = b"text\r\n",
    who: bytes = b"jones@foo.com",
    **settings: Any,
) -> tuple[bytes, FakeGate]:
    """Jones, or somebody else, submits this; what was said to it, and the gate."""
    envelope = b"MAIL FROM:<" + reverse_path + b">\r\nRCPT TO:<far@elsewhere.test>\r\n"
    content = header + b"\r\n" + body
    bdat = b"BDAT %d LAST\r\n" % len(content) + content
    plain = base64.b64encode(b"\0" + who + b"\0right")
    opening = [OPENING[0], b"AUTH PLAIN " + plain + b"\r\n"]
    said, gate, _ = converse(Role.MSA, [*opening, envelope + bdat, b"QUIT\r\n"], **settings)
    return said, gate


@pytest.mark.parametrize(
    "reverse_path", [b"jones@foo.com", b"JONES@foo.com", b"", b"jones.alias@foo.com", b"sales@foo.com"]
)
def test_a_reverse_path_of_ones_own(reverse_path: bytes) -> None:
    said, gate = submit(b"From: jones@foo.com\r\n", reverse_path)
    assert b"250 2.0.0 Accepted" in said
    assert gate.letters[0].reverse_path.encode() == reverse_path


@pytest.mark.parametrize(
    "reverse_path",
    [b"brown@foo.com", b"nobody@foo.com", b"trap@other.com", b"x@elsewhere.test", b"jones@other.com"],
)
def test_a_reverse_path_of_somebody_else(reverse_path: bytes) -> None:
    said, gate = submit(b"From: jones@foo.com\r\n", reverse_path)
    assert b"550 5.7.1 That sender address is not yours" in said
    assert gate.letters == []


@pytest.mark.parametrize(
    "header",
    [
        b"From: jones@foo.com\r\n",
        b"From: Jones <JONES@FOO.COM>\r\n",
        b'From: "brown@foo.com" <jones@foo.com>\r\n',
        b"From: jones@foo.com (brown@foo.com)\r\n",
        b"From: jones@foo.com <jones@foo.com>\r\n",
        b"From: Sales <sales@foo.com>\r\nSender: jones@foo.com\r\n",
        b"From: jones@foo.com,\r\n jones.alias@foo.com\r\n",
        b"FROM : jones@foo.com\r\n",
        b"From: =?utf-8?q?J=C3=B6nes?= <jones@foo.com>\r\nReply-To: x@elsewhere.test\r\n",
        b"From: jones@foo.com\r\nSubject: a colon\r\n : behind a fold\r\n",
        b"From: jones@foo.com\r\nResent-From: jones@foo.com\r\nResent-Sender: jones.alias@foo.com\r\nResent-To: x@y.test\r\n",
    ],
)
def test_authors_of_ones_own(header: bytes) -> None:
    said, gate = submit(header)
    assert b"250 2.0.0 Accepted" in said
    assert len(gate.letters) == 1


@pytest.mark.parametrize(
    "header",
    [
        b"From: brown@foo.com\r\n",
        b"From: trap@other.com\r\n",
        b"From: president@elsewhere.test\r\n",
        b"From: jones@foo.com, brown@foo.com\r\n",
        b"From: jones@foo.com\r\nSender: brown@foo.com\r\n",
        b"From: jones@foo.com\r\nSender: jones@foo.com\r\nSender: brown@foo.com\r\n",
        b"From: jones@foo.com\r\nResent-From: brown@foo.com\r\n",
        b"From: jones@foo.com\r\nResent-Sender: brown@foo.com\r\n",
        b"From: jones@foo.com\r\nResent-From: jones@foo.com\r\nResent-From: brown@foo.com\r\n",
        b"From: brown@foo.com <jones@foo.com>\r\n",
        b"From: <jones@foo.com> brown@foo.com\r\n",
        b"From: jones@foo.com <brown@foo.com>\r\n",
        b"From: <jones@foo.com>, <brown@foo.com>\r\n",
        b"From: group: jones@foo.com, brown@foo.com;\r\n",
        b"From: <@brown.test:jones@foo.com>\r\n",
        b"From: jones\r\n",
        b'From: "jones@foo.com" <brown@foo.com>\r\n',
        b'From: "jones@foo.com\r\n',
        b"From:\r\n\tbrown@foo.com\r\n",
        b"From: (jones@foo.com) brown@foo.com\r\n",
        b"From: \xff@foo.com\r\n",
        "From: büro@elsewhere.test\r\n".encode(),
    ],
)
def test_authors_who_are_somebody_else(header: bytes) -> None:
    said, gate = submit(DATED + header)
    assert b"550 5.7.1 From, Sender" in said
    assert gate.letters == []


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: nobody\r\n",
        b"From:\r\n",
        b"From: undisclosed:;\r\n",
        b"From: ((jones@foo.com) <brown@foo.com>\r\n",
        b"From: jones@foo.com\r\nFrom: jones@foo.com\r\n",
        b"From: jones@foo.com\r\nSubject: x\r\nfrom : brown@foo.com\r\n",
        b" From: brown@foo.com\r\nFrom: jones@foo.com\r\n",
        b"From: jones@foo.com\r\nBcc\r\n : hidden@elsewhere.test\r\n",
        b"From: jones@foo.com\r\nSender \r\n \r\n\t: brown@foo.com\r\n",
        b"\tx\r\nFrom: jones@foo.com\r\n",
    ],
)
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    said, gate = submit(header)
    assert b"550 5.6.0" in said
    assert gate.letters == []


SMITH = b"smith@foo.com"


@pytest.mark.parametrize(
    ("reverse_path", "header"),
    [
        (SMITH, b"From: smith@foo.com\r\n"),
        (b"brown@foo.com", b"From: Brown <BROWN@foo.com>\r\n"),
        (SMITH, b"From: brown@foo.com\r\nSender: brown@foo.com\r\n"),
        (SMITH, b"From: jones@foo.com\r\nSender: smith@foo.com\r\n"),
        (b"jones@foo.com", b"From: Jones <Jones@foo.com>\r\nSender: Smith <smith@foo.com>\r\n"),
        (SMITH, b"From: jones@foo.com\r\nSender: brown@foo.com\r\n"),
        (SMITH, b"From: jones@foo.com, smith@foo.com\r\nSender: smith@foo.com\r\n"),
        (SMITH, b"From: brown@foo.com\r\nResent-From: jones@foo.com\r\nResent-Sender: smith@foo.com\r\n"),
    ],
)
def test_a_delegate_sends_for_another(reverse_path: bytes, header: bytes) -> None:
    said, gate = submit(header, reverse_path, who=SMITH)
    assert b"250 2.0.0 Accepted" in said
    assert gate.letters[0].sender_account_id == "id-smith@foo.com"


@pytest.mark.parametrize(
    "header",
    [
        b"From: jones@foo.com\r\n",
        b"From: jones@foo.com\r\nSender: jones@foo.com\r\n",
        b"From: jones@foo.com\r\nSender: smith@foo.com, jones@foo.com\r\n",
        b"From: smith@foo.com\r\nSender: jones@foo.com\r\n",
        b"From: smith@foo.com\r\nSender: smith@foo.com\r\nResent-From: jones@foo.com\r\n",
        b"From: jones@foo.com\r\nResent-Sender: smith@foo.com\r\n",
        b"From: nobody@foo.com\r\nSender: smith@foo.com\r\n",
        b"From: president@elsewhere.test\r\nSender: smith@foo.com\r\n",
    ],
)
def test_on_behalf_of_another_only_by_name(header: bytes) -> None:
    said, gate = submit(header, SMITH, who=SMITH)
    assert b"550 5.7.1 From, Sender" in said
    assert gate.letters == []


def test_nobody_is_a_delegate_by_himself() -> None:
    assert b"550 5.7.1 That sender" in submit(b"From: brown@foo.com\r\n", b"brown@foo.com")[0]
    assert b"550 5.7.1 That sender" in submit(b"From: x@y.test\r\n", b"x@y.test", who=SMITH)[0]


PICTURE = (
    b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + bytes(range(256))
)


@pytest.mark.parametrize(
    ("recipient", "header", "is_binary"),
    [
        (b"far@elsewhere.test", b"", False),
        (b"brown@foo.com", b"", True),
        (b"far@elsewhere.test", "Subject: Grüße\r\n".encode(), True),
    ],
)
def test_what_goes_into_the_world_in_binary_is_made_7bit_before_it_is_signed(
    recipient: bytes, header: bytes, is_binary: bool
) -> None:
    content = b"From: jones@foo.com\r\nBcc: brown@foo.com\r\n" + header + PICTURE
    envelope = b"MAIL FROM:<jones@foo.com> BODY=BINARYMIME\r\nRCPT TO:<" + recipient + b">\r\n"
    bdat = b"BDAT %d LAST\r\n" % len(content) + content
    _, gate, _ = converse(Role.MSA, [*OPENING, envelope + bdat])
    [letter] = gate.letters
    assert (letter.binary, letter.eight_bit) == (is_binary, is_binary)
    assert is_seven_bit(letter.content) is not is_binary
    assert email.message_from_bytes(letter.content).get_payload(decode=True) == bytes(range(256))
    assert b"Bcc" not in letter.content


class Chosen:
    """What the tenant chose."""

    def __init__(self, hide: bool, *, verp: bool = False) -> None:
        self.policy = TenantPolicy(hide_submitter_address=hide, verp=verp)
        self.away = False

    async def of(self, tenant_id: str) -> TenantPolicy:
        if self.away:
            raise Unavailable("away")
        return self.policy


def test_copies_have_reverse_paths_of_their_own_where_the_tenant_wants_that() -> None:
    header = b"From: jones@foo.com\r\n"
    for verp in (False, True):
        _, gate = submit(header, policies=Chosen(hide=False, verp=verp), in_tls=True)
        [letter] = gate.letters
        assert letter.reverse_path == "jones@foo.com"
        assert (letter.own_copies is not None) is verp
        assert {bool(each.token) for each in letter.recipients if each.account_id is None} <= {verp}
        assert not any(each.token for each in letter.recipients if each.account_id is not None)


class Owners:
    """Whose addresses are whose."""

    def __init__(self, *targets: str) -> None:
        self.targets = tuple(Target(each, f"id of {each}", "t") for each in targets)
        self.away = False

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        if self.away:
            raise Unavailable("away")
        return [Resolution(Disposition.DELIVER, self.targets, "t") for _ in addresses]


async def test_whose_a_reverse_path_is_that_leaves_no_room() -> None:
    for targets, owner in (
        (("jones@foo.com",), "id of jones@foo.com"),
        # Several get what comes back, or somebody in another domain: the reverse-path stays as it is.
        (("jones@foo.com", "brown@foo.com"), ""),
        (("jones@other.com",), ""),
        ((), ""),
    ):
        owners = Owners(*targets)
        needs = cast(Any, SimpleNamespace(directory=owners))
        assert await accepting._owner(needs, f"{'j' * 40}@FOO.com") == owner
        owners.away = True
        assert await accepting._owner(needs, f"{'j' * 40}@FOO.com") == ""


def test_a_long_reverse_path_that_is_several_peoples_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    long = f"{'j' * 40}@foo.com"
    monkeypatch.setitem(ALIASES, long, ("jones@foo.com", "brown@foo.com"))
    chosen = Chosen(hide=False, verp=True)
    _, gate = submit(b"From: jones@foo.com\r\n", long.encode(), policies=chosen, in_tls=True)
    assert [(each.reverse_path, each.own_copies) for each in gate.letters] == [(long, None)]


def test_where_a_user_was_is_shown_unless_the_tenant_hides_it() -> None:
    header = b"From: jones@foo.com\r\n"
    _, gate = submit(header, policies=Chosen(hide=False), client="192.0.2.7", in_tls=True)
    assert b"Received: from c.test ([192.0.2.7])" in gate.letters[0].trace_prefix
    chosen = Chosen(hide=True)
    _, gate = submit(header, policies=chosen, client="192.0.2.7", in_tls=True)
    [letter] = gate.letters
    assert letter.trace_prefix.startswith(
        b"Received: from gate.test (submitted by a user)\r\n\tby gate.test with ESMTPSA id "
    )
    for told in (b"192.0.2.7", b"c.test", b"TLS"):
        assert told not in letter.trace_prefix
    assert letter.client_address == "192.0.2.7", "the installation knows"
    chosen.away = True
    said, gate = submit(header, policies=chosen, client="192.0.2.7", in_tls=True)
    assert b"451 4.3.0" in said
    assert gate.letters == []


def test_an_author_beyond_what_is_read_of_a_list_is_refused() -> None:
    padding = b"," + b"\r\n ".join([b"(" + b"x" * 900 + b")"] * 80)
    said, gate = submit(DATED + b"From: jones@foo.com" + padding + b',"some body"@elsewhere.test\r\n')
    assert b"550 5.6.0" in said
    assert gate.letters == []


def test_more_than_one_from_is_refused_of_strangers_too() -> None:
    for header in (
        b"From: a@b.test\r\nFROM: c@d.test\r\n",
        b" continued\r\n",
        # A field to one reader, to another none at all.
        b"From\r\n : c@d.test\r\n",
        b"From: a@b.test\r\nfrom\t\r\n \r\n\t: c@d.test\r\n",
        b"Authentication-Results\r\n : gate.test; dmarc=pass\r\n",
    ):
        content = header + b"\r\ntext\r\n.\r\n"
        chunks = [
            b"EHLO c.test\r\n",
            b"MAIL FROM:<a@b.test>\r\nRCPT TO:<jones@foo.com>\r\n",
            b"DATA\r\n",
            content,
        ]
        said, gate, _ = converse(Role.MX, [*chunks, b"QUIT\r\n"])
        assert b"550 5.6.0" in said
        assert gate.letters == []


def test_what_is_missing_is_put_in_front_and_nothing_is_rewritten() -> None:
    header = b"From: jones@foo.com\r\nSubject: hi\r\n"
    _, gate = submit(header)
    [letter] = gate.letters
    assert letter.content == header + b"\r\ntext\r\n"
    assert re.fullmatch(
        rb"Date: \w{3}, \d{1,2} \w{3} \d{4} [0-9:]{8} \+0000\r\nMessage-ID: <%s@foo\.com>\r\n"
        % letter.queue_id.encode(),
        letter.added_fields,
    )
    _, gate = submit(DATED + header)
    assert gate.letters[0].added_fields == b""
    _, gate = submit(b"Message-id: <x@y>\r\n" + header)
    assert gate.letters[0].added_fields.startswith(b"Date: ")
    assert b"Message-ID" not in gate.letters[0].added_fields


def test_strangers_messages_are_left_as_they_are() -> None:
    content = b"Bcc: x@y.test\r\n\r\ntext\r\n"
    chunks = [b"EHLO c.test\r\n", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<jones@foo.com>\r\n", b"DATA\r\n"]
    _, gate, _ = converse(Role.MX, [*chunks, content + b".\r\n", b"QUIT\r\n"])
    [letter] = gate.letters
    assert (letter.content, letter.added_fields) == (content, b"")


def test_blind_copies_do_not_travel() -> None:
    header = (
        b"From: jones@foo.com\r\nBcc: secret@elsewhere.test,\r\n\tother@elsewhere.test\r\nSubject: hi\r\n"
        b"BCC : third@elsewhere.test\r\nX-Bcc: stays\r\nresent-bcc:\r\n fourth@elsewhere.test\r\n"
    )
    _, gate = submit(header, body=b"Bcc: this is text\r\n")
    [letter] = gate.letters
    assert letter.content == (
        b"From: jones@foo.com\r\nSubject: hi\r\nX-Bcc: stays\r\n\r\nBcc: this is text\r\n"
    )


FIELDS = st.lists(
    st.sampled_from(
        [
            *(b"Bcc: a@b.test\r\n", b"bcc:\r\n x@y\r\n", b"Bcc:\r\n", b"Resent-Bcc: q@r.test,\r\n\ts@t\r\n"),
            *(
                b"Subject: Bcc: no\r\n",
                b"From: jones@foo.com\r\n",
                b"X: a\r\n Bcc: folded\r\n",
                b"Date: x\r\n",
            ),
        ]
    ),
    max_size=8,
)


@given(FIELDS, st.sampled_from([b"", b"\r\n", b"\r\nBcc: body\r\n"]))
def test_exactly_the_blind_fields_are_cut(header: list[bytes], rest: bytes) -> None:
    content = b"".join(header) + rest
    heading = read_heading(content)
    if isinstance(heading, Reply):
        return
    kept = b"".join(each for each in header if not each.lower().startswith((b"bcc", b"resent-bcc")))
    assert without_blind_copies(content, heading) == kept + rest


@given(st.binary(max_size=200))
def test_any_octets_have_an_answer(content: bytes) -> None:
    refuse_header(lowered_header(content, 1000), 1000, 100)
    heading = read_heading(content)
    assert isinstance(heading, Heading | Reply)
    heading = read_heading(b"From: " + content)
    assert isinstance(heading, Heading | Reply)


def test_of_a_header_without_end_only_the_beginning_is_looked_at() -> None:
    field, end = b"X-Field: value\r\n", b"\r\n"
    endless = lowered_header(field * 100_000, 1000)
    assert len(endless) == 1001
    refusal = refuse_header(endless, 1000, 100)
    assert refusal is not None
    assert refusal.code == 552
    for octets in (1000, 1001):
        header = b"X: " + b"y" * (octets - 7) + b"\r\n" + end
        for content in (header + b"Body\r\n", header[:-2]):
            whole = header if content.endswith(b"Body\r\n") else content
            is_too_long = len(whole) > 1000
            found = lowered_header(content, 1000)
            assert (refuse_header(found, 1000, 1000) is not None) == is_too_long
            assert is_too_long or found == whole.lower()


def test_a_hostile_header_is_read_in_linear_time() -> None:
    for hostile in (
        b"(" * 60_000,
        b"@" * 60_000,
        b"<a@" * 20_000,
        b'"' * 60_001,
        b"a@b," * 15_000,
        b"(()" * 20_000,
    ):
        read_heading(b"From: " + hostile + b"\r\n\r\n")
    assert isinstance(read_heading(b"From: a@b\r\n" + b"Bcc: x\r\n" * 50_000 + b"\r\n"), Heading)
