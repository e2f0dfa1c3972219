"""What people read in our answers, in the language that they chose (RFC 5255 §3).

English is what is written in the code. What says that a command makes no sense (BAD, from the grammar) stays English: it is
for who writes the client.
"""

import re
from collections.abc import Mapping, Sequence

from imap.core.german import PATTERNS as GERMAN_PATTERNS
from imap.core.german import PREFIXES as GERMAN_PREFIXES
from imap.core.german import TEXTS as GERMAN

# RFC 5255 §3.1: every server speaks it, and it is English.
DEFAULT = "i-default"
ENGLISH = "en"
TEXTS: Mapping[str, Mapping[str, str]] = {"de": GERMAN}
PATTERNS: Mapping[str, Sequence[tuple[re.Pattern[str], str]]] = {"de": GERMAN_PATTERNS}
PREFIXES: Mapping[str, Mapping[str, str]] = {"de": GERMAN_PREFIXES}
LANGUAGES = (ENGLISH, *sorted(TEXTS), DEFAULT)


def chosen(ranges: Sequence[str], preferred: str) -> str | None:
    """The first of these language ranges that is spoken here (RFC 4647 §3.4: de-AT is served with de); else None."""
    for wanted in ranges:
        tag = wanted.lower()
        if tag in ("default", "*"):
            return preferred
        while tag:
            if tag in LANGUAGES:
                return tag
            tag = tag.rpartition("-")[0]
    return None


def translated(text: str, language: str) -> str:
    """The text in that language; as it is where there is no other."""
    known = TEXTS.get(language)
    if known is None:
        return text
    if text in known:
        return known[text]
    for pattern, form in PATTERNS[language]:
        found = pattern.fullmatch(text)
        if found is not None:
            return found.expand(form)
    return text


def prefix(name: str, language: str) -> str:
    """What a namespace is called; "" where it has its own name only."""
    return PREFIXES.get(language, {}).get(name, "")
