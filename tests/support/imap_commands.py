"""Every command of IMAP's grammar, by chance (hypothesis): whatever `mailproto.imap.parse` can give."""

import re
from datetime import date, datetime, timedelta, timezone

from hypothesis import strategies as st
from mailproto.imap import commands as c
from mailproto.imap import search_keys as k
from mailproto.imap.fetch_items import RFC822, Attribute, Binary, BinarySize, FetchItem, Section, Seen, Text
from mailproto.imap.mailbox_options import BASE_SELECTS, ListReturn, ListSelect, StatusItem
from mailproto.imap.message_set import SAVED, STAR, MessageSet
from mailproto.imap.notify_events import (
    MESSAGE_EVENTS,
    NAMED,
    OF_SELECTED,
    Event,
    EventGroup,
    Source,
    Watched,
)
from mailproto.imap.search_returns import Partial, SearchReturn, SearchReturns
from mailproto.imap.sort_keys import Direction, SortCriterion, SortKey, ThreadAlgorithm

ATOM_CHARACTERS = "abcXYZ019$!#&'+,-./:;<=>?@^_`|~"
LARGEST = (1 << 63) - 1
SELECTED = (Source(Watched.SELECTED, ()),)

tags = st.text("abcXYZ019.:;=-_", min_size=1, max_size=8)
# Text of any kind, some of it such that nearly nothing holds it.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.sampled_from(
    ["", "NIL", "nil", "a b", 'x"y\\z', "{3}", "{3+}\r\n", "\r\n", "*", "%", "ä€😀", "(", "INBOX", "]"]
)
urls = texts.filter(lambda text: "\0" not in text)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["INBOX", "a/b", "&", "~peter/mail/台北/日本語", 'a"b', "a b", "*%", "NIL", "Other Users/x@y.test/INBOX"]
)
atoms = st.text(ATOM_CHARACTERS, min_size=1, max_size=8)
words = st.text("ABCXYZ019=-+.", min_size=1, max_size=8)
flags = (
    st.sampled_from(["\\Seen", "\\Deleted", "\\Draft", "\\Recent", "\\*", "$Forwarded", "\\X-own"]) | atoms
)
numbers = st.integers(1, 9_999_999_999)
ends = st.just(STAR) | numbers
ranges = st.tuples(ends, ends) | ends.map(lambda end: (end, end))
sets = st.lists(ranges, min_size=1, max_size=4).map(lambda found: MessageSet(tuple(found)))
sets_or_saved = sets | st.just(SAVED)
known_sets = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4).map(
    lambda found: MessageSet(tuple(found))
)
modseqs = st.integers(0, LARGEST)
bys = st.sampled_from(c.By)
partials = st.builds(Partial, numbers, numbers) | st.builds(
    Partial, numbers.map(lambda n: -n), numbers.map(lambda n: -n)
)
entries = st.text("abc019.-_ ", min_size=1, max_size=6).flatmap(
    lambda name: st.sampled_from([f"/private/{name}", f"/shared/x/{name}"])
)
few_entries = st.lists(entries, min_size=1, max_size=3, unique=True).map(tuple)


# -- FETCH


def _shown(name: bytes) -> bytes:
    """A field name as the answer is to repeat it: an astring."""
    if re.fullmatch(rb"[!#-$&-'+-\[^-z|}~]+", name):
        return name
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _label(part: tuple[int, ...], text: Text, fields: tuple[bytes, ...]) -> bytes:
    inner = ".".join([*map(str, part), *([text.value] if text.value else [])]).encode()
    return inner + (b" (" + b" ".join(map(_shown, fields)) + b")" if fields else b"")


parts = st.lists(numbers, max_size=3).map(tuple)
octet_ranges = st.none() | st.tuples(st.integers(0, 10**18), st.integers(1, 10**18))


@st.composite
def sections(draw: st.DrawFn) -> Section:
    part = draw(parts)
    text = draw(st.sampled_from([each for each in Text if part or each is not Text.MIME]))
    fields: tuple[bytes, ...] = ()
    if text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
        name = st.sampled_from([b"To", b"Subject", b"X-A.b", b"a b", b'q"\\', b"[", b"%", b"x]"])
        fields = tuple(draw(st.lists(name, min_size=1, max_size=3)))
    label = b"BODY[" + _label(part, text, fields) + b"]"
    return Section(part, text, fields, draw(octet_ranges), draw(st.sampled_from(Seen)), label)


@st.composite
def binaries(draw: st.DrawFn) -> FetchItem:
    part = draw(parts)
    inner = ".".join(map(str, part)).encode()
    if draw(st.booleans()):
        return BinarySize(part, b"BINARY.SIZE[" + inner + b"]")
    return Binary(part, draw(octet_ranges), draw(st.sampled_from(Seen)), b"BINARY[" + inner + b"]")


items = st.sampled_from(Attribute) | st.sampled_from(list(RFC822.values())) | sections() | binaries()
few_items = st.lists(items, min_size=1, max_size=4).map(tuple)


@st.composite
def fetches(draw: st.DrawFn) -> c.Fetch:
    by = draw(bys)
    since = draw(st.none() | modseqs)
    return c.Fetch(
        draw(sets_or_saved),
        draw(few_items),
        by,
        draw(st.none() | partials) if by is c.By.UID else None,
        since,
        by is c.By.UID and since is not None and draw(st.booleans()),
    )


# -- SEARCH and what is like it

days = st.dates(date(1, 1, 1), date(9999, 12, 31))
whens = st.sampled_from(k.When)
headers = st.sampled_from([b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT", b"Subject", b"X-Any", b"a b", b""])
fuzzy = st.booleans()
leaves = st.one_of(
    st.sampled_from(k.FlagKey),
    st.sampled_from(k.PlainKey),
    st.builds(k.KeywordKey, flags, st.booleans()),
    st.builds(k.DateKey, whens, days),
    st.builds(k.SentKey, whens, days),
    st.builds(k.SavedKey, whens, days),
    st.builds(k.ObjectKey, st.sampled_from(k.ObjectKind), atoms),
    st.builds(k.SizeKey, st.integers(0, 10**19 - 1), st.booleans()),
    st.builds(k.WithinKey, st.integers(0, 10**10), st.booleans()),
    st.builds(k.ModseqKey, modseqs),
    st.builds(k.FilterKey, atoms.map(lambda name: name.replace("/", "-"))),
    st.builds(k.SequenceKey, sets_or_saved),
    st.builds(k.UidKey, sets_or_saved),
)
text_leaves = st.one_of(
    st.builds(k.HeaderKey, headers, texts, fuzzy),
    st.builds(k.BodyKey, texts, fuzzy),
    st.builds(k.TextKey, texts, fuzzy),
)


def _branches(keys: st.SearchStrategy[k.SearchKey]) -> st.SearchStrategy[k.SearchKey]:
    return st.one_of(
        st.builds(k.NotKey, keys),
        st.builds(k.OrKey, keys, keys),
        st.lists(keys, min_size=1, max_size=3).map(lambda found: k.AndKey(tuple(found))),
    )


keys: st.SearchStrategy[k.SearchKey] = st.recursive(leaves | text_leaves, _branches, max_leaves=6)


def with_fuzzy(key: k.SearchKey) -> k.SearchKey:
    """The key, and one that lets scores be asked for."""
    return k.AndKey((key, k.TextKey("like this", True)))


@st.composite
def returns(draw: st.DrawFn, *, saves: bool = True, updates: bool = True) -> SearchReturns:
    partial = draw(st.none() | partials)
    left_out = {SearchReturn.ALL} if partial is not None else set()
    if not saves:
        left_out.add(SearchReturn.SAVE)
    options = draw(st.frozensets(st.sampled_from(sorted({*SearchReturn} - left_out, key=lambda o: o.value))))
    follows = updates and draw(st.booleans())
    return SearchReturns(options, partial, follows, draw(st.just(()) | few_items) if follows else ())


@st.composite
def searches(draw: st.DrawFn) -> c.Search:
    wanted = draw(st.none() | returns())
    key = draw(keys)
    scores = wanted is not None and SearchReturn.RELEVANCY in wanted.options
    return c.Search(with_fuzzy(key) if scores else key, draw(bys), wanted)


sources = st.sampled_from([each for each in Watched if each is not Watched.SELECTED_DELAYED]).flatmap(
    lambda watched: st.builds(
        Source,
        st.just(watched),
        st.lists(names, min_size=1, max_size=3).map(tuple) if watched in NAMED else st.just(()),
    )
)


@st.composite
def multi_searches(draw: st.DrawFn) -> c.MultiSearch:
    where = tuple(draw(st.lists(sources, min_size=1, max_size=3)))
    wanted = draw(st.none() | returns(saves=where == SELECTED))
    key = draw(keys)
    scores = wanted is not None and SearchReturn.RELEVANCY in wanted.options
    return c.MultiSearch(where, with_fuzzy(key) if scores else key, wanted)


@st.composite
def sorts(draw: st.DrawFn) -> c.Sort:
    criterion = st.builds(SortCriterion, st.sampled_from(SortKey), st.sampled_from(Direction))
    criteria = tuple(draw(st.lists(criterion, min_size=1, max_size=4)))
    wanted = draw(st.none() | returns(saves=False))
    scores = wanted is not None and SearchReturn.RELEVANCY in wanted.options
    scores = scores or any(each.key is SortKey.RELEVANCY for each in criteria)
    key = draw(keys)
    return c.Sort(criteria, with_fuzzy(key) if scores else key, draw(bys), wanted)


# -- mailboxes

status_items = st.lists(st.sampled_from(StatusItem), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def lists(draw: st.DrawFn) -> c.List:
    if draw(st.booleans()):
        return c.List(draw(names), (draw(names),))
    selects = draw(st.frozensets(st.sampled_from(ListSelect)))
    if ListSelect.RECURSIVEMATCH in selects:
        selects |= {draw(st.sampled_from(BASE_SELECTS))}
    return c.List(
        draw(names),
        tuple(draw(st.lists(names, max_size=3))),
        selects,
        draw(st.frozensets(st.sampled_from(ListReturn))),
        draw(st.just(()) | status_items),
        draw(st.just(()) | few_entries),
        True,
    )


resyncs = st.builds(
    c.Resync,
    st.integers(0, 10**19 - 1),
    modseqs,
    st.none() | known_sets,
    st.none() | st.tuples(known_sets, known_sets),
)


@st.composite
def groups(draw: st.DrawFn, watched: Watched) -> EventGroup:
    named = tuple(draw(st.lists(names, min_size=1, max_size=3))) if watched in NAMED else ()
    events = set(draw(st.frozensets(st.sampled_from(Event))))
    if watched in OF_SELECTED:
        events &= MESSAGE_EVENTS
    if events & MESSAGE_EVENTS:
        events |= {Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE}
    fetched: tuple[FetchItem, ...] = ()
    if watched in OF_SELECTED and Event.MESSAGE_NEW in events:
        fetched = draw(st.just(()) | few_items)
    return EventGroup(watched, named, frozenset(events), fetched, draw(st.booleans()))


@st.composite
def notifies(draw: st.DrawFn) -> c.Notify:
    others = [each for each in Watched if each not in OF_SELECTED and each is not Watched.SUBTREE_ONE]
    watched = draw(st.lists(st.sampled_from(others), max_size=3))
    if draw(st.booleans()):
        watched.append(draw(st.sampled_from(OF_SELECTED)))
    found = tuple(draw(groups(each)) for each in watched)
    return c.Notify(found, draw(st.sampled_from(c.TellStatus)) if found else c.TellStatus.NO)


# -- messages

moments = st.builds(
    lambda at, minutes: at.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28)),
    st.integers(-99 * 14, 14 * 60),
)
contents = st.binary(max_size=12)
catenated = st.lists(contents | st.builds(c.Url, texts), min_size=1, max_size=3).map(
    lambda found: c.Catenated(tuple(found))
)
some_flags = st.lists(flags, max_size=3).map(tuple)
new_texts = st.builds(c.NewText, some_flags, st.none() | moments, contents, st.booleans()) | st.builds(
    c.NewText, some_flags, st.none() | moments, catenated
)
one_number = ends.map(lambda end: MessageSet(((end, end),)))
values = st.dictionaries(entries, st.none() | contents, min_size=1, max_size=3).map(
    lambda found: tuple(found.items())
)
fields = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
url_items = st.sampled_from(
    [
        (),
        *((item,) for item in c.UrlItem),
        (c.UrlItem.STRUCTURE, c.UrlItem.BINARY),
        (c.UrlItem.BODY, c.UrlItem.STRUCTURE),
    ]
)
bodies_of_urls = st.lists(st.builds(c.WantedUrl, urls, url_items), min_size=1, max_size=3).map(tuple)

COMMANDS: dict[type, st.SearchStrategy[c.Command]] = {
    c.Plain: st.sampled_from(c.Plain),
    c.Login: st.builds(c.Login, texts, texts),
    c.Authenticate: st.builds(
        c.Authenticate,
        words.map(str.encode),
        st.none() | st.sampled_from([b"=", b"AGEAYg==", b"not base64 (\xff"]),
    ),
    c.Select: st.builds(c.Select, names, st.sampled_from(c.Access), st.booleans(), st.none() | resyncs),
    c.Create: st.builds(c.Create, names, st.frozensets(flags, max_size=3)),
    c.Delete: st.builds(c.Delete, names),
    c.Rename: st.builds(c.Rename, names, names),
    c.Subscribe: st.builds(c.Subscribe, names),
    c.Unsubscribe: st.builds(c.Unsubscribe, names),
    c.List: lists(),
    c.Lsub: st.builds(c.Lsub, names, names),
    c.Status: st.builds(c.Status, names, status_items),
    c.Append: st.builds(c.Append, names, st.lists(new_texts, min_size=1, max_size=3).map(tuple)),
    c.Replace: st.builds(c.Replace, one_number, names, new_texts, bys),
    c.UidExpunge: st.builds(c.UidExpunge, sets_or_saved),
    c.Search: searches(),
    c.MultiSearch: multi_searches(),
    c.Sort: sorts(),
    c.CancelUpdate: st.builds(c.CancelUpdate, st.lists(texts, min_size=1, max_size=3).map(tuple)),
    c.Thread: st.builds(c.Thread, st.sampled_from(ThreadAlgorithm), keys, bys),
    c.Fetch: fetches(),
    c.Store: st.builds(
        c.Store,
        sets_or_saved,
        st.sampled_from(c.StoreAction),
        st.sampled_from(c.Echo),
        some_flags,
        bys,
        st.none() | modseqs,
    ),
    c.Copy: st.builds(c.Copy, sets_or_saved, names, bys),
    c.Move: st.builds(c.Move, sets_or_saved, names, bys),
    c.Id: st.builds(c.Id, fields),
    c.Enable: st.builds(c.Enable, st.lists(words, min_size=1, max_size=3).map(tuple)),
    c.Language: st.builds(c.Language, st.lists(texts, max_size=3).map(tuple)),
    c.Compress: st.builds(c.Compress, words),
    c.ResetKey: st.just(c.ResetKey(None))
    | st.builds(c.ResetKey, names, st.lists(st.sampled_from(["INTERNAL", "X-0.9"]), max_size=2).map(tuple)),
    c.GenUrlAuth: st.builds(
        c.GenUrlAuth,
        st.lists(
            st.builds(c.RumpUrl, urls, st.sampled_from(["INTERNAL", "X.1"])), min_size=1, max_size=3
        ).map(tuple),
    ),
    c.UrlFetch: st.builds(c.UrlFetch, bodies_of_urls),
    c.GetQuota: st.builds(c.GetQuota, texts),
    c.GetQuotaRoot: st.builds(c.GetQuotaRoot, names),
    c.SetAcl: st.builds(c.SetAcl, names, texts, st.sampled_from(["", "lrs", "+w", "-x"])),
    c.DeleteAcl: st.builds(c.DeleteAcl, names, texts),
    c.GetAcl: st.builds(c.GetAcl, names),
    c.ListRights: st.builds(c.ListRights, names, texts),
    c.MyRights: st.builds(c.MyRights, names),
    c.GetMetadata: st.builds(
        c.GetMetadata, names, few_entries, st.sampled_from(c.Depth), st.none() | st.integers(0, 10**19 - 1)
    ),
    c.SetMetadata: st.builds(c.SetMetadata, names, values),
    c.Notify: notifies(),
}
