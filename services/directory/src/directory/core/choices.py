"""What may be chosen: the words, the lengths and the numbers. Who asks for something else gets NameInvalid."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from mailseal import KeyUnusable, check_key

from directory.core.names import NameInvalid, address, check_text, forward_path

WORDS: Mapping[str, tuple[str, ...]] = {
    "scanner_down": ("retry", "deliver_marked"),
    "text_search": ("substring", "words"),
    "over_quota": ("retry", "refuse"),
    "mdn": ("never", "ask", "always"),
}
MOST_SENDERS = 5_000
LONGEST_SENDER = 320
LONGEST_KEY = 65_536
MOST_ADDRESSES = {"forward_to": 4, "vacation_addresses": 50}
LONGEST_TEXT, LONGEST_SUBJECT, LONGEST_INSTANT, MOST_DAYS = 10_000, 200, 40, 90
HIGHEST_SCORE = 10_000.0
# RFC 5646 §2.1, its shape only.
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}")


class AwayAndForward(Protocol):
    """The fields of an account's settings that hang together."""

    @property
    def vacation(self) -> bool: ...
    @property
    def vacation_text(self) -> str: ...
    @property
    def vacation_from(self) -> str: ...
    @property
    def vacation_until(self) -> str: ...
    @property
    def forward_to(self) -> Iterable[str]: ...


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
        elif name in MOST_ADDRESSES:
            _check_addresses(name, value)
        elif name == "vacation_text":
            if not isinstance(value, str) or len(value) > LONGEST_TEXT:
                raise NameInvalid(f"{name} has at most {LONGEST_TEXT} characters")
            check_text(value.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))
        elif name == "vacation_subject" and isinstance(value, str) and len(value) > LONGEST_SUBJECT:
            raise NameInvalid(f"{name} has at most {LONGEST_SUBJECT} characters")
        elif name in ("vacation_from", "vacation_until"):
            instant(name, value)
        elif name == "vacation_days" and isinstance(value, int) and value > MOST_DAYS:
            raise NameInvalid(f"{name} is a number from 0 to {MOST_DAYS}")
        elif isinstance(value, str):
            check_text(value)


def instant(name: str, value: object) -> datetime:
    """Raises NameInvalid."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or len(str(value)) > LONGEST_INSTANT:
        raise NameInvalid(f"{name} is an instant with its offset such as 2026-12-24T00:00:00+01:00")
    return at


def check_together(own_address: str, settings: AwayAndForward) -> None:
    """What an account's settings come to in the end. Raises NameInvalid."""
    if settings.vacation and not settings.vacation_text.strip():
        raise NameInvalid("vacation needs a vacation_text")
    begins, ends = settings.vacation_from, settings.vacation_until
    if begins and ends and instant("vacation_from", begins) >= instant("vacation_until", ends):
        raise NameInvalid("vacation_from comes before vacation_until")
    if own_address in (each.lower() for each in settings.forward_to):
        raise NameInvalid("forward_to: mail of an account cannot go on to itself")


def _check_addresses(name: str, value: object) -> None:
    addresses = list(value) if isinstance(value, Iterable) else []
    if len(addresses) > MOST_ADDRESSES[name]:
        raise NameInvalid(f"{name} has at most {MOST_ADDRESSES[name]} addresses")
    for each in addresses:
        check_text(each)
        address(each) if not each.isascii() else forward_path(each)


def _check_senders(name: str, value: object) -> None:
    senders = list(value) if isinstance(value, Iterable) else []
    if len(senders) > MOST_SENDERS:
        raise NameInvalid(f"{name} has at most {MOST_SENDERS} entries")
    for sender in senders:
        check_text(sender)
        if "@" not in sender or len(sender) > LONGEST_SENDER or sender.endswith("@"):
            raise NameInvalid(f"{name}: {sender[:60]!r} is neither an address nor an @domain")
