"""Tables of SPF cases: a zone and lines of `client address | reverse-path | expected result | HELO | explanation`."""

from datetime import UTC, datetime
from typing import Any

import pytest
from senderauth.names import client_address
from senderauth.result import Result
from senderauth.spf import SpfResult, check_mail_from

from tests.support.zone import Zone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MAIL = {"mail.example.com": {"A": "192.0.2.1"}}
V6 = "2001:db8::cb01"
V6_REVERSE = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


async def check(
    zone: dict[str, Any], client: str, reverse_path: str, helo: str = "mail.example.com"
) -> SpfResult:
    return await check_mail_from(
        Zone(zone), client_address(client), reverse_path, helo, receiver="mx.example.net", now=NOW
    )


def spf(record: str, **more: Any) -> dict[str, Any]:
    return {"TXT": record, **more}


def table(*cases: tuple[str, dict[str, Any], str]) -> list[Any]:
    """(name, zone, lines): one test for each line."""
    found = []
    for name, zone, lines in cases:
        for line in lines.strip().splitlines():
            columns = [column.strip() for column in line.split("|")] + ["", ""]
            found.append(pytest.param(zone, columns[:5], id=f"{name}: {columns[0]} {columns[1]}"))
    return found


async def assert_line(zone: dict[str, Any], columns: list[str]) -> None:
    client, reverse_path, expected, helo, explanation = columns
    found = await check(zone, client, reverse_path, helo or "mail.example.com")
    assert found.result is Result(expected), found
    if explanation:
        assert found.explanation == ("" if explanation == "NONE" else explanation)
