"""Which list sent a message and whether it has attachments is kept whichever door it comes through."""

import asyncio
import imaplib
import smtplib
import time

import asyncpg
import pytest

from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Account, Platform


def post(subject: str) -> bytes:
    return (
        f"From: eve@peer.invalid\r\nSubject: {subject}\r\nList-Id: Birds <Birds.example.ORG>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nthe text\r\n--b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n"
    ).encode()


@pytest.fixture(scope="module")
def reader(platform: Platform) -> Account:
    return platform.create_account("birds-reader")


def kept(platform: Platform, subject: str) -> list[tuple[bytes | None, bool | None]]:
    """Of all messages with this subject, as rows of the database."""
    dsn = (platform.layout.secrets / "dsn-store_app").read_text().strip()

    async def read() -> list[tuple[bytes | None, bool | None]]:
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('posthouse.scope', 'operator', true)")
                rows = await connection.fetch(
                    "SELECT list_id, has_attachments FROM message WHERE position($1::bytea IN header) > 0",
                    f"Subject: {subject}\r\n".encode(),
                )
                return [(row["list_id"], row["has_attachments"]) for row in rows]
        finally:
            await connection.close()

    return asyncio.run(read())


def test_by_smtp_and_lmtp(platform: Platform, reader: Account) -> None:
    doors = (("smtp", smtplib.SMTP, platform.ports.smtp), ("lmtp", smtplib.LMTP, platform.ports.lmtp))
    for name, door, port in doors:
        subject = f"birds by {name} {time.time_ns()}"
        with door("127.0.0.1", port) as session:
            session.sendmail("eve@peer.invalid", [reader.address], post(subject))
        wait_for_subject(platform, reader.address, reader.password, subject)
        assert kept(platform, subject) == [(b"birds.example.org", True)]


def test_by_append(platform: Platform, reader: Account) -> None:
    subject = f"birds by append {time.time_ns()}"
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(reader.address, reader.password)
        # One in the database, one too long for that.
        for content in (post(subject), post(subject) + b"x" * 100_000):
            answer, _ = session.append("Archive", "", "", content)
            assert answer == "OK"
    assert kept(platform, subject) == [(b"birds.example.org", True)] * 2
