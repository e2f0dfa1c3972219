"""From in an envelope as it travels: the same authors as in the field."""

from hypothesis import given, settings
from hypothesis import strategies as st
from mailmsg.address import mailboxes
from mailmsg.envelope import authors_in
from mailmsg.facts import examine

PIECES = (
    b"a@b.test", b", ", b'"x\\"y" ', b"<e@f.test>", b"(c)", b"G: ", b";", b"\xc3\xa4@\xc3\xb6.test", b'"q r"@s.test',
    b" \\ ", b"<@r.test:p@t.test>", b"NIL", b"\r\n ",
)  # fmt: skip


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join),
    st.sampled_from([b"", b'"\\ (', b"NIL", b"\xff{3}"]),
)
def test_authors_are_those_of_the_field(value: bytes, subject: bytes) -> None:
    header = b"Subject: " + subject + b"\r\nFrom: " + value + b"\r\nTo: z@z.test\r\nSender: s@s.test\r\n\r\n"
    expected = [each.local_part + b"@" + each.domain for each in mailboxes(value) if each.domain]
    assert list(authors_in(examine(header).envelope)) == expected


def test_what_is_no_envelope_has_no_authors() -> None:
    for octets in (b"", b"(", b"(NIL NIL ((", b"(NIL NIL NIL NIL)", b"x" * 100):
        assert list(authors_in(octets)) == []
