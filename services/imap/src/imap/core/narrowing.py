"""What a search asks of headers at least: PostgreSQL leaves out what cannot match before anything is read."""

from mailmodel.collation import casemap
from mailproto.imap.search_keys import AndKey, HeaderKey, OrKey, SearchKey

# Each alternative is some texts, as they are compared.
Alternatives = tuple[tuple[str, ...], ...]

MOST_ALTERNATIVES = 8
MOST_TEXTS = 8


def required(key: SearchKey) -> Alternatives | None:
    """A message that matches has all texts of one of these in its header; None: nothing is known of it."""
    match key:
        case HeaderKey() if key.text and not key.fuzzy:
            sought = casemap(key.text)
            return ((sought,),) if sought.isascii() and "\0" not in sought else None
        case AndKey():
            found = [each for child in key.keys if (each := required(child)) is not None]
            certain = dict.fromkeys(text for each in found if len(each) == 1 for text in each[0])
            if certain:
                return (tuple(certain)[:MOST_TEXTS],)
            return min(found, key=len, default=None)
        case OrKey():
            either, other = required(key.either), required(key.other)
            if either is None or other is None or len(either) + len(other) > MOST_ALTERNATIVES:
                return None
            return either + other
        case _:
            return None


def asks_headers_alone(key: SearchKey) -> bool:
    """Whether nothing else decides, such as flags, which would leave fewer messages to look at."""
    match key:
        case HeaderKey():
            return not key.fuzzy
        case AndKey():
            return all(asks_headers_alone(each) for each in key.keys)
        case OrKey():
            return asks_headers_alone(key.either) and asks_headers_alone(key.other)
        case _:
            return False
