"""What may be chosen: the words, the lengths and the numbers. Who asks for something else gets NameInvalid."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from mailseal import KeyUnusable, check_key

from directory.core.names import NameInvalid, check_text

WORDS: Mapping[str, tuple[str, ...]] = {
    "scanner_down": ("retry", "deliver_marked"),
    "text_search": ("substring", "words"),
    "over_quota": ("retry", "refuse"),
    "mdn": ("never", "ask", "always"),
}
MOST_SENDERS = 5_000
LONGEST_SENDER = 320
LONGEST_KEY = 65_536
HIGHEST_SCORE = 10_000.0
# RFC 5646 §2.1, its shape only.
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}")


def check(choices: Iterable[tuple[str, object]]) -> None:
    """Name and value of every field that is set. Raises NameInvalid."""
    for name, value in choices:
        if name in WORDS and value not in WORDS[name]:
            raise NameInvalid(f"{name} is one of {', '.join(WORDS[name])}")
        if isinstance(value, float) and not -HIGHEST_SCORE <= value <= HIGHEST_SCORE:
            raise NameInvalid(f"{name} is a number between -{HIGHEST_SCORE:g} and {HIGHEST_SCORE:g}")
        if name == "encryption_key":
            if not isinstance(value, str) or len(value) > LONGEST_KEY:
                raise NameInvalid(f"{name} has at most {LONGEST_KEY} characters")
            try:
                check_key(value, datetime.now(UTC))
            except KeyUnusable as error:
                raise NameInvalid(f"{name}: {error}") from error
        elif name == "locale":
            if not isinstance(value, str) or LANGUAGE.fullmatch(value) is None:
                raise NameInvalid(f"{name} is a language tag such as en or pt-BR")
        elif name in ("allowed_senders", "blocked_senders"):
            _check_senders(name, value)
        elif isinstance(value, str):
            check_text(value)


def _check_senders(name: str, value: object) -> None:
    senders = list(value) if isinstance(value, Iterable) else []
    if len(senders) > MOST_SENDERS:
        raise NameInvalid(f"{name} has at most {MOST_SENDERS} entries")
    for sender in senders:
        check_text(sender)
        if "@" not in sender or len(sender) > LONGEST_SENDER or sender.endswith("@"):
            raise NameInvalid(f"{name}: {sender[:60]!r} is neither an address nor an @domain")
