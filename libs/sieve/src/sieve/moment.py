"""Parts of a date and time (RFC 5260 §4.2), and dates in header fields with the zone that they were written in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from mailmsg.date import format_date, parse_date

_ZONE = re.compile(rb"[+-][0-9]{4}\Z")
_WRITTEN_ZONE = re.compile(rb":[0-9]{1,2}[ \t]*([+-])([0-9]{2}):?([0-9]{2})|:[0-9]{1,2}[ \t]+([A-Za-z]{1,5})")
_ZONE_HOURS = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}
_MODIFIED_JULIAN_DAY_0 = datetime(1858, 11, 17, tzinfo=UTC).toordinal()
_LONGEST_DATE_OCTETS = 200

PARTS = frozenset(
    {
        b"year",
        b"month",
        b"day",
        b"date",
        b"julian",
        b"hour",
        b"minute",
        b"second",
        b"time",
        b"iso8601",
        b"std11",
        b"zone",
        b"weekday",
    }
)


def date_in_field(value: bytes) -> datetime | None:
    """The date that a field's value is, or ends in after a semicolon (§4), in the zone that it was written in."""
    text = value.rpartition(b";")[2][:_LONGEST_DATE_OCTETS]
    instant = parse_date(text)
    if instant is None:
        return None
    written = _WRITTEN_ZONE.search(text)
    minutes = 0
    if written is not None and written[1] is not None:
        minutes = int(written[2]) * 60 + int(written[3])
        minutes = -minutes if written[1] == b"-" else minutes
    elif written is not None and written[4] is not None:
        minutes = _ZONE_HOURS.get(written[4].upper(), 0) * 60
    try:
        return instant.astimezone(timezone(timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        return None


def zone_offset(text: bytes) -> timezone | None:
    """The zone that `+hhmm` or `-hhmm` names (§4.1), or None where it names none."""
    if _ZONE.match(text) is None:
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    if minutes >= 24 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if text.startswith(b"-") else minutes))


def date_part(moment: datetime, part: bytes) -> bytes:
    """A part of a date and time, as §4.2 shows it. `part` is one of PARTS."""
    offset = moment.utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    match part:
        case b"date":
            shown = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
        case b"time":
            shown = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
        case b"julian":
            shown = str(moment.toordinal() - _MODIFIED_JULIAN_DAY_0)
        case b"iso8601":
            zone = f"{sign}{hours:02d}:{rest:02d}" if minutes else "Z"
            shown = f"{date_part(moment, b'date').decode()}T{date_part(moment, b'time').decode()}{zone}"
        case b"std11":
            return format_date(moment, minutes)
        case b"zone":
            shown = f"{sign}{hours:02d}{rest:02d}"
        case b"weekday":
            shown = str(moment.isoweekday() % 7)
        case b"year":
            shown = f"{moment.year:04d}"
        case _:
            shown = f"{getattr(moment, part.decode('ascii')):02d}"
    return shown.encode("ascii")
