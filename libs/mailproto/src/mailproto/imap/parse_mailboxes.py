"""Commands about mailboxes as wholes: CREATE, RENAME, LIST, LSUB, STATUS (RFC 3501 §6.3, RFC 5258, RFC 5819, RFC 6154)."""

from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.mailbox_options import BASE_SELECTS, ListReturn, ListSelect, StatusItem
from mailproto.imap.parse_metadata import parse_entries

PATTERNS = 100
STATUS_ITEMS = {item.value: item for item in StatusItem}
SELECTS = {option.value: option for option in ListSelect}
RETURNS = {option.value: option for option in ListReturn}


def _create(cursor: Cursor) -> c.Command:
    """create = "CREATE" SP mailbox [create-params]; create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")" """
    mailbox = cursor.mailbox()
    uses: frozenset[str] = frozenset()
    if cursor.take(b" ("):
        if cursor.atom().upper() != b"USE":
            raise ParseError("there is no such parameter of CREATE")
        cursor.space()
        uses = frozenset(cursor.flags())
        cursor.expect(b")")
    return c.Create(mailbox, uses)


def _rename(cursor: Cursor) -> c.Command:
    old = cursor.mailbox()
    cursor.space()
    return c.Rename(old, cursor.mailbox())


def _list(cursor: Cursor) -> c.Command:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]"""
    selects: frozenset[ListSelect] = frozenset()
    is_extended = False
    if cursor.take(b"("):
        is_extended = True
        selects = _selects(cursor)
        cursor.space()
    reference = cursor.mailbox()
    cursor.space()
    patterns: list[str] = []
    if cursor.take(b"("):
        is_extended = True
        while not cursor.take(b")"):
            if patterns:
                cursor.space()
            patterns.append(cursor.list_mailbox())
            if len(patterns) > PATTERNS:
                raise ParseError(f"at most {PATTERNS} patterns", "LIMIT")
    else:
        patterns.append(cursor.list_mailbox())
    returns: frozenset[ListReturn] = frozenset()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    if cursor.take(b" "):
        is_extended = True
        returns, status, metadata = _returns(cursor)
    return c.List(reference, tuple(patterns), selects, returns, status, metadata, is_extended)


def _selects(cursor: Cursor) -> frozenset[ListSelect]:
    """list-select-opts, the parenthesis taken"""
    selects: set[ListSelect] = set()
    while not cursor.take(b")"):
        if selects:
            cursor.space()
        option = SELECTS.get(cursor.word())
        if option is None:
            raise ParseError("there is no such selection option")
        selects.add(option)
    if ListSelect.RECURSIVEMATCH in selects and not selects.intersection(BASE_SELECTS):
        raise ParseError("RECURSIVEMATCH needs another selection option")
    return frozenset(selects)


def _returns(cursor: Cursor) -> tuple[frozenset[ListReturn], tuple[StatusItem, ...], tuple[str, ...]]:
    """list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")" """
    if cursor.word() != "RETURN":
        raise ParseError("RETURN expected")
    cursor.space()
    cursor.expect(b"(")
    returns: set[ListReturn] = set()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    first = True
    while not cursor.take(b")"):
        if not first:
            cursor.space()
        first = False
        word = cursor.word()
        if word == "STATUS":
            cursor.space()
            status = _status_items(cursor)
        elif word == "METADATA":
            # return-option =/ "METADATA" SP "(" entry *(SP entry) ")" (RFC 9590 §5)
            cursor.space()
            metadata = parse_entries(cursor)
        elif word in RETURNS:
            returns.add(RETURNS[word])
        else:
            raise ParseError("there is no such return option")
    return frozenset(returns), status, metadata


def _lsub(cursor: Cursor) -> c.Command:
    reference = cursor.mailbox()
    cursor.space()
    return c.Lsub(reference, cursor.list_mailbox())


def _status(cursor: Cursor) -> c.Command:
    mailbox = cursor.mailbox()
    cursor.space()
    return c.Status(mailbox, _status_items(cursor))


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    """ "(" status-att *(SP status-att) ")" """
    cursor.expect(b"(")
    items: dict[StatusItem, None] = {}
    while True:
        item = STATUS_ITEMS.get(cursor.word())
        if item is None:
            raise ParseError("there is no such status item")
        items[item] = None
        if cursor.take(b")"):
            return tuple(items)
        cursor.space()


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"CREATE": _create,
    b"DELETE": lambda cursor: c.Delete(cursor.mailbox()),
    b"RENAME": _rename,
    b"SUBSCRIBE": lambda cursor: c.Subscribe(cursor.mailbox()),
    b"UNSUBSCRIBE": lambda cursor: c.Unsubscribe(cursor.mailbox()),
    b"LIST": _list,
    b"LSUB": _lsub,
    b"STATUS": _status,
}
