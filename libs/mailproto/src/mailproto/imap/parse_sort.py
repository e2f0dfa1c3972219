"""SORT and THREAD (RFC 5256 §5)."""

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.parse_search import asks_relevancy, parse_charset_and_keys, parse_returns
from mailproto.imap.search_returns import SearchReturn
from mailproto.imap.sort_keys import Direction, SortCriterion, SortKey, ThreadAlgorithm

CRITERIA = 20


def parse_sort(cursor: Cursor, by: c.By) -> c.Command:
    """sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria (RFC 5256 §5, RFC 5267 §3)"""
    returns = parse_returns(cursor)
    if returns is not None and SearchReturn.SAVE in returns.options:
        raise ParseError("a sorted result is not saved")
    cursor.expect(b"(")
    criteria = [_criterion(cursor)]
    while not cursor.take(b")"):
        cursor.space()
        criteria.append(_criterion(cursor))
        if len(criteria) > CRITERIA:
            raise ParseError(f"at most {CRITERIA} criteria", "LIMIT")
    cursor.space()
    by_relevancy = any(criterion.key is SortKey.RELEVANCY for criterion in criteria)
    key = parse_charset_and_keys(cursor, needs_fuzzy=by_relevancy or asks_relevancy(returns))
    return c.Sort(tuple(criteria), key, by, returns)


def _criterion(cursor: Cursor) -> SortCriterion:
    """sort-criterion = ["REVERSE" SP] sort-key"""
    word = cursor.word()
    direction = Direction.ASCENDING
    if word == "REVERSE":
        direction = Direction.DESCENDING
        cursor.space()
        word = cursor.word()
    if word not in SortKey.__members__:
        raise ParseError("there is no such criterion")
    return SortCriterion(SortKey[word], direction)


def parse_thread(cursor: Cursor, by: c.By) -> c.Command:
    """thread = "THREAD" SP thread-alg SP search-criteria"""
    word = cursor.word()
    if word not in ThreadAlgorithm.__members__:
        raise ParseError("there is no such algorithm")
    cursor.space()
    return c.Thread(ThreadAlgorithm[word], parse_charset_and_keys(cursor), by)
