"""IMAP's commands as a client writes them: the other direction of `mailproto.imap.parse`.

Where the grammar allows several spellings of the same thing (an atom, a quoted string or a literal; upper or lower case;
parentheses or none), the dice choose; without dice there is one, always the same.
"""

import random
import re
from collections.abc import Iterable
from typing import assert_never

from mailproto.imap import commands as c
from mailproto.imap import search_keys as k
from mailproto.imap.fetch_items import RFC822, Attribute, Binary, BinarySize, FetchItem, Section, Seen, Text
from mailproto.imap.mailbox_options import ListReturn, ListSelect, StatusItem
from mailproto.imap.names import Dialect, encode_name
from mailproto.imap.notify_events import NAMED, Event, EventGroup, Source
from mailproto.imap.search_returns import SearchReturns
from mailproto.imap.sort_keys import Direction, SortCriterion

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ASTRING_ATOM = re.compile(rb"[!#-$&-'+-\[\]-z|}~]+")
QUOTABLE = re.compile(rb"[^\r\n\x00]*")
SHORT_HEADERS = (b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT")


class Printer:
    """One client's way to write."""

    def __init__(self, dialect: Dialect = Dialect.REV1, dice: random.Random | None = None) -> None:
        self._dialect = dialect
        self._dice = dice

    def tagged(self, tagged: c.Tagged) -> bytes:
        """A whole command without its last CRLF; literals stand in it and wait for nobody."""
        return tagged.tag.encode("ascii") + b" " + self.command(tagged.command)

    # -- spellings

    def _chance(self) -> bool:
        return self._dice is not None and self._dice.random() < 0.5

    def _word(self, word: str | bytes) -> bytes:
        octets = word.encode("ascii") if isinstance(word, str) else word
        return octets.lower() if self._chance() else octets

    def literal(self, octets: bytes) -> bytes:
        return b"{%d+}\r\n%b" % (len(octets), octets)

    def string(self, octets: bytes) -> bytes:
        """string = quoted / literal"""
        if QUOTABLE.fullmatch(octets) is None or self._chance():
            return self.literal(octets)
        return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'

    def astring(self, octets: bytes) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        if ASTRING_ATOM.fullmatch(octets) is not None and octets.upper() != b"NIL" and self._chance():
            return octets
        return self.string(octets)

    def text(self, text: str) -> bytes:
        return self.astring(text.encode("utf-8"))

    def mailbox(self, name: str) -> bytes:
        return self.astring(encode_name(name, self._dialect))

    def pattern(self, name: str) -> bytes:
        """list-mailbox = 1*list-char / string"""
        octets = encode_name(name, self._dialect)
        if re.fullmatch(rb"[!#-'*-\[\]-z|}~]+", octets) and self._chance():
            return octets
        return self.string(octets)

    def _list(self, items: Iterable[bytes]) -> bytes:
        return b"(" + b" ".join(items) + b")"

    def _flags(self, flags: Iterable[str]) -> bytes:
        return self._list(flag.encode("ascii") for flag in flags)

    # -- commands

    def command(self, command: c.Command) -> bytes:
        """Without its tag."""
        match command:
            case c.Plain():
                return self._word(command.value)
            case c.Login():
                return self._said("LOGIN", self.text(command.login), self.text(command.password))
            case c.Authenticate():
                rest = [] if command.initial is None else [command.initial]
                return self._said("AUTHENTICATE", self._word(command.mechanism), *rest)
            case c.Id():
                if not command.fields and self._chance():
                    return self._said("ID", self._word("NIL"))
                shown = [self.string(key.encode()) + b" " + self._nil(value) for key, value in command.fields]
                return self._said("ID", self._list(shown))
            case c.Enable():
                return self._said("ENABLE", *(self._word(each) for each in command.capabilities))
            case c.Language():
                return self._said("LANGUAGE", *(self.text(each) for each in command.ranges))
            case c.Compress():
                return self._said("COMPRESS", self._word(command.algorithm))
            case c.Select():
                return self._select(command)
            case c.Create():
                uses = [b"(" + self._word("USE") + b" " + self._flags(sorted(command.special_use)) + b")"]
                return self._said("CREATE", self.mailbox(command.mailbox), *uses[: bool(command.special_use)])
            case c.Delete() | c.Subscribe() | c.Unsubscribe() | c.GetQuotaRoot() | c.GetAcl() | c.MyRights():
                return self._said(type(command).__name__.upper(), self.mailbox(command.mailbox))
            case c.Rename():
                return self._said("RENAME", self.mailbox(command.old), self.mailbox(command.new))
            case c.List():
                return self._said("LIST", *self._listing(command))
            case c.Lsub():
                return self._said("LSUB", self.mailbox(command.reference), self.pattern(command.pattern))
            case c.Status():
                return self._said("STATUS", self.mailbox(command.mailbox), self._status(command.items))
            case c.Append():
                return self._said("APPEND", self.mailbox(command.mailbox), *map(self._new, command.messages))
            case c.Replace():
                number, name = command.number.encode(), self.mailbox(command.mailbox)
                return self._by(command.by, "REPLACE", number, name, self._new(command.text))
            case c.UidExpunge():
                return self._by(c.By.UID, "EXPUNGE", command.uids.encode())
            case c.Search():
                return self._by(
                    command.by,
                    "SEARCH",
                    *self._returns(command.returns),
                    *self._charset(),
                    self._program(command.key),
                )
            case c.MultiSearch():
                sources = self._word("IN") + b" " + self._list(map(self._source, command.sources))
                return self._said(
                    "ESEARCH",
                    sources,
                    *self._returns(command.returns),
                    *self._charset(),
                    self._program(command.key),
                )
            case c.Sort():
                criteria = self._list(map(self._criterion, command.criteria))
                key = self._program(command.key)
                returns = self._returns(command.returns)
                return self._by(command.by, "SORT", *returns, criteria, self._word("UTF-8"), key)
            case c.Thread():
                algorithm = self._word(command.algorithm.value)
                key = self._program(command.key)
                return self._by(command.by, "THREAD", algorithm, self.astring(b"US-ASCII"), key)
            case c.CancelUpdate():
                return self._said("CANCELUPDATE", *map(self.text, command.tags))
            case c.Fetch():
                return self._fetch(command)
            case c.Store():
                return self._store(command)
            case c.Copy() | c.Move():
                verb = type(command).__name__.upper()
                return self._by(command.by, verb, command.numbers.encode(), self.mailbox(command.mailbox))
            case c.Notify():
                return self._notify(command)
            case c.GetMetadata():
                return self._get_metadata(command)
            case c.SetMetadata():
                values = [self._entry(entry) + b" " + self._value(value) for entry, value in command.values]
                return self._said("SETMETADATA", self.mailbox(command.mailbox), self._list(values))
            case c.GetQuota():
                return self._said("GETQUOTA", self.text(command.root))
            case c.SetAcl():
                words = (self.text(command.identifier), self.text(command.modification))
                return self._said("SETACL", self.mailbox(command.mailbox), *words)
            case c.DeleteAcl() | c.ListRights():
                verb = type(command).__name__.upper()
                return self._said(verb, self.mailbox(command.mailbox), self.text(command.identifier))
            case c.ResetKey():
                names = [] if command.mailbox is None else [self.mailbox(command.mailbox)]
                return self._said("RESETKEY", *names, *map(self._word, command.mechanisms))
            case c.GenUrlAuth():
                pairs = [self.text(each.url) + b" " + self._word(each.mechanism) for each in command.urls]
                return self._said("GENURLAUTH", *pairs)
            case c.UrlFetch():
                return self._said("URLFETCH", *map(self._wanted, command.urls))
            case _:
                assert_never(command)

    def _said(self, verb: str, *words: bytes) -> bytes:
        return b" ".join([self._word(verb), *words])

    def _by(self, by: c.By, verb: str, *words: bytes) -> bytes:
        return (self._word("UID") + b" " if by is c.By.UID else b"") + self._said(verb, *words)

    def _nil(self, value: str) -> bytes:
        return b"NIL" if not value and self._chance() else self.string(value.encode())

    def _select(self, command: c.Select) -> bytes:
        words: list[bytes] = []
        if command.wants_modseqs:
            words.append(self._word("CONDSTORE"))
        if command.resync is not None:
            known = command.resync
            inner = [b"%d" % known.uid_validity, b"%d" % known.modseq]
            if known.known_uids is not None:
                inner.append(known.known_uids.encode())
            if known.pairs is not None:
                inner.append(self._list(each.encode() for each in known.pairs))
            words.append(self._word("QRESYNC") + b" " + self._list(inner))
        tail = [self._list(words)] if words else []
        return self._said(command.access.value, self.mailbox(command.mailbox), *tail)

    def _listing(self, command: c.List) -> list[bytes]:
        words: list[bytes] = []
        returns = [self._word(each.value) for each in ListReturn if each in command.returns]
        if command.status:
            returns.append(self._word("STATUS") + b" " + self._status(command.status))
        if command.metadata:
            returns.append(self._word("METADATA") + b" " + self._list(map(self._entry, command.metadata)))
        selects = [self._word(each.value) for each in ListSelect if each in command.selects]
        one = len(command.patterns) == 1
        if selects or (command.is_extended and one and not returns):
            words.append(self._list(selects))
        words.append(self.mailbox(command.reference))
        patterns = [self.pattern(each) for each in command.patterns]
        words.append(patterns[0] if one else self._list(patterns))
        if returns:
            words.append(self._word("RETURN") + b" " + self._list(returns))
        return words

    def _status(self, items: Iterable[StatusItem]) -> bytes:
        return self._list(self._word(item.value) for item in items)

    def _new(self, text: c.NewText) -> bytes:
        words: list[bytes] = []
        if text.flags or self._chance():
            words.append(self._flags(text.flags))
        if (at := text.internal_date) is not None:
            offset = at.utcoffset()
            assert offset is not None
            minutes = int(offset.total_seconds()) // 60
            words.append(
                b'"%2d-%b-%04d %02d:%02d:%02d %b%02d%02d"'
                % (
                    *(at.day, MONTHS[at.month - 1].encode(), at.year, at.hour, at.minute, at.second),
                    *(b"-" if minutes < 0 else b"+", abs(minutes) // 60, abs(minutes) % 60),
                )
            )
        if isinstance(text.content, c.Catenated):
            words += [self._word("CATENATE"), self._list(map(self._part, text.content.parts))]
        else:
            assert isinstance(text.content, bytes)
            shown = self.literal(text.content)
            if text.is_binary and self._chance():
                shown = self._word("UTF8") + b" (~" + shown + b")"
            elif text.is_binary:
                shown = b"~" + shown
            words.append(shown)
        return b" ".join(words)

    def _part(self, part: object) -> bytes:
        if isinstance(part, c.Url):
            return self._word("URL") + b" " + self.text(part.url)
        assert isinstance(part, bytes)
        if self._chance():
            return self._word("UTF8") + b" (~" + self.literal(part) + b")"
        return self._word("TEXT") + b" " + self.literal(part)

    def _fetch(self, command: c.Fetch) -> bytes:
        items = [self.item(item) for item in command.items]
        shown = items[0] if len(items) == 1 and self._chance() else self._list(items)
        modifiers: list[bytes] = []
        if command.partial is not None:
            modifiers.append(self._word("PARTIAL") + b" " + command.partial.encode())
        if command.changed_since is not None:
            modifiers.append(self._word("CHANGEDSINCE") + b" %d" % command.changed_since)
        if command.vanished:
            modifiers.append(self._word("VANISHED"))
        tail = [self._list(modifiers)] if modifiers else []
        return self._by(command.by, "FETCH", command.numbers.encode(), shown, *tail)

    def item(self, item: FetchItem) -> bytes:
        """fetch-att"""
        match item:
            case Attribute():
                return self._word(item.value)
            case Section():
                if item in RFC822.values():
                    return self._word(item.label)
                name = self._word("BODY" if item.seen is Seen.MARK else "BODY.PEEK")
                words = [part.encode() for part in [".".join(map(str, item.part))] if part]
                if item.text is not Text.ALL:
                    words.append(self._word(item.text.value))
                inner = b".".join(words)
                if item.fields:
                    inner += b" " + self._list(map(self.astring, item.fields))
                return name + b"[" + inner + b"]" + self._partial(item.partial)
            case Binary():
                name = self._word("BINARY" if item.seen is Seen.MARK else "BINARY.PEEK")
                return name + self._place(item.part) + self._partial(item.partial)
            case BinarySize():
                return self._word("BINARY.SIZE") + self._place(item.part)
            case _:
                assert_never(item)

    def _place(self, part: tuple[int, ...]) -> bytes:
        return b"[" + ".".join(map(str, part)).encode() + b"]"

    def _partial(self, partial: tuple[int, int] | None) -> bytes:
        return b"" if partial is None else b"<%d.%d>" % partial

    def _store(self, command: c.Store) -> bytes:
        since = command.unchanged_since
        modifier = [] if since is None else [b"(" + self._word("UNCHANGEDSINCE") + b" %d)" % since]
        what = self._word(command.action.value + (".SILENT" if command.echo is c.Echo.SILENT else ""))
        flags = self._flags(command.flags)
        if command.flags and self._chance():
            flags = flags[1:-1]
        return self._by(command.by, "STORE", command.numbers.encode(), *modifier, what, flags)

    def _notify(self, command: c.Notify) -> bytes:
        if not command.groups:
            return self._said("NOTIFY", self._word("NONE"))
        status = [self._word("STATUS")] if command.status is c.TellStatus.YES else []
        return self._said("NOTIFY", self._word("SET"), *status, *map(self._group, command.groups))

    def _group(self, group: EventGroup) -> bytes:
        events = []
        for event in (each for each in Event if each in group.events):
            shown = self._word(event.value)
            if event is Event.MESSAGE_NEW and group.items:
                shown += b" " + self._list(map(self.item, group.items))
            events.append(shown)
        if group.unknown:
            events.append(self._word("X-Nobody-Knows"))
        told = self._list(events) if events else self._word("NONE")
        return self._list([self._source(Source(group.watched, group.names)), told])

    def _source(self, source: Source) -> bytes:
        names = [self.mailbox(name) for name in source.names]
        words = [self._word(source.watched.value)]
        if source.watched in NAMED:
            words.append(names[0] if len(names) == 1 and self._chance() else self._list(names))
        return b" ".join(words)

    def _get_metadata(self, command: c.GetMetadata) -> bytes:
        options: list[bytes] = []
        if command.depth is not c.Depth.ENTRY or self._chance():
            options.append(self._word("DEPTH") + b" " + self._word(command.depth.value))
        if command.largest_octets is not None:
            options.append(self._word("MAXSIZE") + b" %d" % command.largest_octets)
        words = [self.mailbox(command.mailbox)]
        if options:
            words.insert(int(self._chance()), self._list(options))
        entries = [self._entry(entry) for entry in command.entries]
        words.append(entries[0] if len(entries) == 1 and self._chance() else self._list(entries))
        return self._said("GETMETADATA", *words)

    def _entry(self, entry: str) -> bytes:
        return self.astring(entry.encode("ascii"))

    def _value(self, value: bytes | None) -> bytes:
        if value is None:
            return self._word("NIL")
        return b"~" + self.literal(value) if b"\0" in value else self.string(value)

    def _wanted(self, wanted: c.WantedUrl) -> bytes:
        if not wanted.items and not self._chance():
            return self.text(wanted.url)
        return self._list([self.text(wanted.url), *(self._word(item.value) for item in wanted.items)])

    # -- searches

    def _returns(self, returns: SearchReturns | None) -> list[bytes]:
        if returns is None:
            return []
        words = [self._word(option.value) for option in sorted(returns.options, key=lambda each: each.value)]
        if returns.partial is not None:
            words.append(self._word("PARTIAL") + b" " + returns.partial.encode())
        if returns.updates:
            words.append(self._word("UPDATE"))
            if returns.update_items:
                words[-1] += b" " + self._list(map(self.item, returns.update_items))
        if self._chance():
            words.append(self._word("CONTEXT"))
        return [self._word("RETURN") + b" " + self._list(words)]

    def _charset(self) -> list[bytes]:
        if self._dialect is Dialect.UTF8 or not self._chance():
            return []
        return [self._word("CHARSET") + b" " + self.astring(b"utf-8")]

    def _criterion(self, criterion: SortCriterion) -> bytes:
        front = self._word("REVERSE") + b" " if criterion.direction is Direction.DESCENDING else b""
        return front + self._word(criterion.key.value)

    def _program(self, key: k.SearchKey) -> bytes:
        if isinstance(key, k.AndKey) and len(key.keys) > 1:
            return b" ".join(map(self.key, key.keys))
        return self.key(key)

    def key(self, key: k.SearchKey) -> bytes:
        """search-key"""
        match key:
            case k.FlagKey():
                return self._word(key.name)
            case k.PlainKey():
                return self._word(key.value)
            case k.KeywordKey():
                return self._said("KEYWORD" if key.wanted else "UNKEYWORD", key.keyword.encode("ascii"))
            case k.DateKey():
                return self._said(key.when.name, self._date(key))
            case k.SentKey():
                return self._said("SENT" + key.when.name, self._date(key))
            case k.SavedKey():
                return self._said("SAVED" + key.when.name, self._date(key))
            case k.ObjectKey():
                return self._said(key.kind.value, key.object_id.encode("ascii"))
            case k.SizeKey():
                return self._said("LARGER" if key.larger else "SMALLER", b"%d" % key.octets)
            case k.WithinKey():
                return self._said("YOUNGER" if key.younger else "OLDER", b"%d" % key.seconds)
            case k.ModseqKey():
                entry = [b'"/flags/\\\\draft"', self._word("ALL")] if self._chance() else []
                return self._said("MODSEQ", *entry, b"%d" % key.modseq)
            case k.HeaderKey():
                return self._fuzzy(key.fuzzy, self._header(key))
            case k.BodyKey():
                return self._fuzzy(key.fuzzy, self._said("BODY", self.text(key.text)))
            case k.TextKey():
                return self._fuzzy(key.fuzzy, self._said("TEXT", self.text(key.text)))
            case k.SequenceKey():
                return key.numbers.encode()
            case k.UidKey():
                return self._said("UID", key.uids.encode())
            case k.FilterKey():
                return self._said("FILTER", key.name.encode("ascii"))
            case k.NotKey():
                return self._said("NOT", self.key(key.key))
            case k.OrKey():
                return self._said("OR", self.key(key.either), self.key(key.other))
            case k.AndKey():
                return self._list(map(self.key, key.keys))
            case _:
                assert_never(key)

    def _header(self, key: k.HeaderKey) -> bytes:
        if key.name in SHORT_HEADERS and self._chance():
            return self._said(key.name.decode("ascii"), self.text(key.text))
        return self._said("HEADER", self.astring(key.name), self.text(key.text))

    def _fuzzy(self, fuzzy: bool, shown: bytes) -> bytes:
        return self._said("FUZZY", shown) if fuzzy else shown

    def _date(self, key: k.DateKey | k.SentKey | k.SavedKey) -> bytes:
        shown = b"%d-%b-%04d" % (key.day.day, self._word(MONTHS[key.day.month - 1]), key.day.year)
        return b'"' + shown + b'"' if self._chance() else shown


def printed(tagged: c.Tagged, dialect: Dialect = Dialect.REV1) -> bytes:
    """In the one spelling."""
    return Printer(dialect).tagged(tagged)
