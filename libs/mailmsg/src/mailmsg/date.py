"""Dates of messages (RFC 5322 §3.3): read what others wrote, obsolete forms too (§4.3), and write our own."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
# obs-zone (§4.3), in hours. All other names, the military letters among them, say nothing: -0000.
_ZONE_HOURS = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}
_DATE = re.compile(
    rb"\s*(?:[A-Za-z]{3,9}\.?,?\s+)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]{0,6}[\s-]+(\d{2,4})\s+"
    rb"(\d{1,2})\s*[:.]\s*(\d{1,2})(?:\s*[:.]\s*(\d{1,2}))?(?:\.\d{1,9})?\s*(?:([+-])(\d\d):?(\d\d)|([A-Za-z]{1,5}))?"
)
_COMMENT = re.compile(rb"\([^()\\]*\)")
_LONGEST_DATE_OCTETS = 200


def parse_date(value: bytes) -> datetime | None:
    """The instant (aware, UTC) that a Date field names, or None where it names none."""
    parsed = _parse(value)
    return None if parsed is None else parsed[0]


def parse_day(value: bytes) -> date | None:
    """The day that stands in a Date field, whatever its time and zone; None where `parse_date` gives None."""
    parsed = _parse(value)
    return None if parsed is None else parsed[1]


def _parse(value: bytes) -> tuple[datetime, date] | None:
    text = value[:_LONGEST_DATE_OCTETS]
    if b"(" in text:
        text = _COMMENT.sub(b" ", text)
    found = _DATE.match(text)
    if found is None:
        return None
    day, month_name, year_text, hour, minute, second, sign, zone_hours, zone_minutes, zone_name = (
        found.groups()
    )
    month = _MONTH_NUMBERS.get(month_name.lower())
    if month is None:
        return None
    year = int(year_text)
    if len(year_text) == 2:
        year += 2000 if year < 50 else 1900
    elif len(year_text) == 3:
        year += 1900
    offset_minutes = 0
    if sign is not None:
        offset_minutes = int(zone_hours) * 60 + int(zone_minutes)
        if sign == b"-":
            offset_minutes = -offset_minutes
    elif zone_name is not None:
        offset_minutes = _ZONE_HOURS.get(zone_name.upper(), 0) * 60
    try:
        # A leap second (§3.3) has no datetime: the second before it is near enough.
        local = datetime(year, month, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=UTC)
        return local - timedelta(minutes=offset_minutes), local.date()
    except (ValueError, OverflowError):
        return None


def format_date(instant: datetime, offset_minutes: int = 0) -> bytes:
    """The date-time of RFC 5322 §3.3 for an aware instant, in the zone that far east of UTC."""
    return _formatted(math.floor(instant.timestamp()), offset_minutes)


# A busy door needs the same one many times a second.
@lru_cache(maxsize=16)
def _formatted(seconds: int, offset_minutes: int) -> bytes:
    local = _EPOCH + timedelta(seconds=seconds)
    local = local.astimezone(timezone(timedelta(minutes=offset_minutes)))
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return (
        f"{_DAYS[local.weekday()]}, {local.day:02d} {_MONTHS[local.month - 1]} {local.year:04d} "
        f"{local.hour:02d}:{local.minute:02d}:{local.second:02d} {sign}{hours:02d}{minutes:02d}"
    ).encode("ascii")
