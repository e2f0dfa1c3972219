"""Reading the words of a command (RFC 3501 §9). Each method quotes the rule that it implements."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone

from mailproto.imap.message_set import RANGES, SAVED, STAR, MessageSet
from mailproto.imap.names import Dialect, NameInvalid, decode_name
from mailproto.imap.reader import Sink
from mailproto.imap.search_returns import Partial

# ATOM-CHAR = any CHAR except atom-specials; "]" is let through where a client uses it in an atom.
ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
# ASTRING-CHAR = ATOM-CHAR / "]"
ASTRING_ATOM = re.compile(rb"[^\x00-\x20\x7f(){%*\"\\]+")
# list-char = ATOM-CHAR / list-wildcards / "]"
LIST_ATOM = re.compile(rb"[^\x00-\x20\x7f(){\"\\]+")
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
LITERAL = re.compile(rb"\{([0-9]{1,20})\+?\}\r?\n")
APART = re.compile(rb"\{[0-9]{1,20}@([0-9]{1,3})\}\r\n")
NIL = re.compile(rb"NIL(?![^\x00-\x20()])", re.IGNORECASE)
NUMBER = re.compile(rb"[0-9]{1,19}")
FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+|\\\*")
SET = re.compile(
    rb"(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*"
)
PARTIAL_RANGE = re.compile(rb"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})|(-[1-9][0-9]{0,9}):(-[1-9][0-9]{0,9})")
LARGEST_MODSEQ = (1 << 63) - 1
MONTHS = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
DATE = re.compile(rb'"?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})"?')
DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)


class ParseError(Exception):
    """The client's fault; the text says what was expected. `code`: LIMIT where it is our limit (RFC 5530)."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Cursor:
    """A position in a whole command."""

    __slots__ = ("apart", "data", "dialect", "position")

    def __init__(
        self,
        data: bytes | bytearray,
        dialect: Dialect = Dialect.REV1,
        apart: Sequence[Sink] = (),
    ) -> None:
        self.data = data
        # Long literals, by the numbers that stand in their places.
        self.apart = apart
        self.position = 0
        self.dialect = dialect

    def at_end(self) -> bool:
        return self.position >= len(self.data)

    def peek(self) -> bytes:
        """The next octet, b"" at the end."""
        return bytes(self.data[self.position : self.position + 1])

    def match(self, pattern: "re.Pattern[bytes]") -> "re.Match[bytes] | None":
        found = pattern.match(self.data, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def take(self, octets: bytes) -> bool:
        """Step over these octets if they are next."""
        if self.data.startswith(octets, self.position):
            self.position += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        if not self.take(octets):
            raise ParseError(f"{octets.decode()!r} expected")

    def space(self) -> None:
        """SP"""
        if not self.take(b" "):
            raise ParseError("a space expected")

    def end(self) -> None:
        """CRLF"""
        if not self.at_end():
            raise ParseError("too many arguments")

    def atom(self) -> bytes:
        """atom = 1*ATOM-CHAR"""
        found = self.match(ATOM)
        if found is None:
            raise ParseError("an atom expected")
        return found[0]

    def word(self) -> str:
        """An atom whose case means nothing, in upper case."""
        return self.atom().upper().decode("ascii")

    def take_nil(self) -> bool:
        """nil = "NIL", stepped over if it is next."""
        return self.match(NIL) is not None

    def string(self) -> bytes:
        """string = quoted / literal"""
        quoted = self.match(QUOTED)
        if quoted is not None:
            text = quoted[1]
            return re.sub(rb"\\(.)", rb"\1", text) if b"\\" in text else text
        literal = self.match(LITERAL)
        if literal is None:
            raise ParseError("a string expected")
        octets = int(literal[1])
        with memoryview(self.data) as view:
            content = bytes(view[self.position : self.position + octets])
        if len(content) != octets:
            raise ParseError("a literal is cut off")
        self.position += octets
        return content

    def long_string(self) -> "bytes | Sink":
        """A literal, be it one that was kept apart."""
        found = self.match(APART)
        if found is None or int(found[1]) >= len(self.apart):
            if found is not None:
                raise ParseError("a literal expected")
            return self.string()
        return self.apart[int(found[1])]

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        found = self.match(ASTRING_ATOM)
        return found[0] if found is not None else self.string()

    def text(self) -> str:
        """An astring as text. Raises ParseError where it is no UTF-8, or has a NUL in it (CHAR8, RFC 3501 §9)."""
        try:
            text = self.astring().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError("UTF-8 expected") from error
        if "\0" in text:
            raise ParseError("a text holds no NUL")
        return text

    def mailbox(self) -> str:
        """mailbox = "INBOX" / astring"""
        return self._name(self.astring())

    def list_mailbox(self) -> str:
        """list-mailbox = 1*list-char / string"""
        found = self.match(LIST_ATOM)
        return self._name(found[0] if found is not None else self.string())

    def _name(self, octets: bytes) -> str:
        try:
            return decode_name(octets, self.dialect)
        except NameInvalid as error:
            raise ParseError(str(error)) from error

    def number(self) -> int:
        """number = 1*DIGIT"""
        found = self.match(NUMBER)
        if found is None:
            raise ParseError("a number expected")
        return int(found[0])

    def modseq(self) -> int:
        """mod-sequence-valzer: 63 bits (RFC 7162 §7)"""
        number = self.number()
        if number > LARGEST_MODSEQ:
            raise ParseError("a mod-sequence has 63 bits")
        return number

    def partial_range(self) -> Partial:
        """partial-range = partial-range-first / partial-range-last (RFC 9394 §4)"""
        found = self.match(PARTIAL_RANGE)
        if found is None:
            raise ParseError("a range like 1:100 or -1:-100 expected")
        return Partial(int(found[1] or found[3]), int(found[2] or found[4]))

    def message_set(self) -> MessageSet:
        """sequence-set, `$` included (RFC 5182 §3)"""
        if self.take(b"$"):
            return SAVED
        found = self.match(SET)
        if found is None:
            raise ParseError("a set of message numbers expected")
        items = found[0].split(b",")
        if len(items) > RANGES:
            raise ParseError(f"a set has at most {RANGES} ranges", "LIMIT")
        ranges = []
        for item in items:
            first, colon, last = item.partition(b":")
            low = STAR if first == b"*" else int(first)
            ranges.append((low, low if not colon else STAR if last == b"*" else int(last)))
        return MessageSet(tuple(ranges))

    def flag(self) -> str:
        """flag = "\\Answered" / ... / flag-keyword / flag-extension"""
        found = self.match(FLAG)
        if found is None:
            raise ParseError("a flag expected")
        return found[0].decode("ascii")

    def flags(self) -> tuple[str, ...]:
        """flag-list = "(" [flag *(SP flag)] ")" """
        self.expect(b"(")
        flags: list[str] = []
        while not self.take(b")"):
            if flags:
                self.space()
            flags.append(self.flag())
        return tuple(flags)

    def date(self) -> date:
        """date = date-text / DQUOTE date-text DQUOTE"""
        found = self.match(DATE)
        if found is None:
            raise ParseError("a date like 1-Feb-2026 expected")
        try:
            return date(int(found[3]), MONTHS[found[2].lower()], int(found[1]))
        except (KeyError, ValueError) as error:
            raise ParseError("there is no such date") from error

    def date_time(self) -> datetime:
        """date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE"""
        found = self.match(DATE_TIME)
        if found is None:
            raise ParseError("a date and time expected")
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        zone = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        try:
            at = datetime(
                *(int(year), MONTHS[month.lower()], int(day), int(hour), int(minute), min(int(second), 59)),
                tzinfo=timezone(zone if sign == b"+" else -zone),
            )
            # It must be one everywhere: the first hours of the year 1 are none in UTC.
            at.astimezone(UTC)
            return at
        except (KeyError, ValueError, OverflowError) as error:
            raise ParseError("there is no such date and time") from error
