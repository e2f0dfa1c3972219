"""How a message is to travel goes into its envelope; the header's wish counts where MAIL says nothing."""

from datetime import timedelta

import pytest
from mailproto.smtp.wishes import NO_WISHES, ByMode, TlsWish, Wishes
from smtp_gateway.core.roles import Role
from smtp_gateway.core.travelling import with_header

from tests.support.fake_gateway import converse

OPENING = [b"EHLO c.test\r\n", b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"]
CONTENT = b"From: jones@foo.com\r\n\r\ntext\r\n"


def submitted(parameters: bytes, content: bytes = CONTENT, **settings: object) -> tuple[bytes, list[Wishes]]:
    envelope = b"MAIL FROM:<jones@foo.com>" + parameters + b"\r\nRCPT TO:<far@elsewhere.test>\r\n"
    bdat = b"BDAT %d LAST\r\n" % len(content) + content
    said, gate, _ = converse(Role.MSA, [*OPENING, envelope + bdat], in_tls=True, **settings)  # type: ignore[arg-type]
    return said, [letter.wishes for letter in gate.letters]


def test_what_is_asked_for_is_in_the_envelope() -> None:
    said, [wishes] = submitted(b" REQUIRETLS BY=600;N MT-PRIORITY=-3 HOLDFOR=60")
    assert b"250 2.1.0" in said
    assert wishes.tls is TlsWish.REQUIRED
    assert wishes.priority == -3
    assert wishes.deliver_by is not None
    assert wishes.deliver_by.mode is ByMode.NOTIFY
    assert wishes.release_at is not None
    assert wishes.deliver_by.at - wishes.release_at == timedelta(minutes=9)
    assert submitted(b"")[1] == [NO_WISHES]


def test_a_priority_is_lowered_and_the_sender_knows() -> None:
    said, [wishes] = submitted(b" MT-PRIORITY=7", priority_most=2)
    assert b"250 2.3.6 2 is the new priority" in said
    assert wishes.priority == 2


def test_where_nothing_is_released_later_it_is_not_offered() -> None:
    said, accepted = submitted(b" HOLDFOR=60", future_release_seconds=0)
    assert b"FUTURERELEASE" not in said
    assert b"555 5.5.4" in said
    assert accepted == []


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        (b"TLS-Required: No\r\n", TlsWish.OPTIONAL),
        (b"tls-required:\r\n no\r\n", TlsWish.OPTIONAL),
        (b"TLS-REQUIRED:NO \r\n", TlsWish.OPTIONAL),
        (b"TLS-Required: Never\r\n", TlsWish.USUAL),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", TlsWish.USUAL),
        (b"X-TLS-Required: No\r\n", TlsWish.USUAL),
    ],
)
def test_the_headers_wish(field: bytes, wish: TlsWish) -> None:
    _, [wishes] = submitted(b"", field + CONTENT)
    assert wishes.tls is wish
    assert submitted(b" REQUIRETLS", field + CONTENT)[1][0].tls is TlsWish.REQUIRED


def test_a_field_in_the_body_is_none() -> None:
    assert submitted(b"", CONTENT + b"TLS-Required: No\r\n")[1] == [NO_WISHES]
    assert with_header(NO_WISHES, b"") is NO_WISHES
