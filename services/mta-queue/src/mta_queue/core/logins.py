"""What the directory noticed about a login, as an event (core.events)."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from mta_queue.core.events import Event, Type

# Longer than any address, name of a door or time.
TEXT_MOST = 400


def noticed(payload: bytes) -> Event | None:
    """The event; None for what is no such notice."""
    try:
        said: dict[str, Any] = json.loads(payload)
        suspicious = said["suspicious"] is True
        if not suspicious and said["new_device"] is not True:
            return None
        return {
            "id": uuid4().hex,
            "type": (Type.SUSPICIOUS_LOGIN if suspicious else Type.NEW_DEVICE).value,
            "at": datetime.fromisoformat(said["at"]).astimezone(UTC).isoformat(timespec="milliseconds"),
            "tenant_id": str(UUID(said["tenant_id"])),
            "account_id": str(UUID(said["account_id"])),
            **{name: _text(said, name) for name in ("address", "service", "client_address")},
            "new_device": said["new_device"] is True,
            "suspicious": suspicious,
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _text(said: dict[str, Any], name: str) -> str:
    # A directory of the version before says no address.
    value = said.get(name, "")
    # Neither PostgreSQL nor who reads the event takes NUL or half a character.
    if not isinstance(value, str) or len(value) > TEXT_MOST or not value.isprintable():
        raise ValueError(f"that is no {name}")
    return value
