"""What a POP3 session can be in, and which command is allowed when, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailproto.pop3.commands import Keyword
from mailproto.sasl.exchange import MECHANISMS


class State(Enum):
    """RFC 1939 §3. The UPDATE state is the time while an `Update` waits for its answer."""

    AUTHORIZATION = "authorization"
    TRANSACTION = "transaction"
    ENDED = "ended"

    # As `Keyword` has it.
    __hash__ = object.__hash__


class PasswordRule(Enum):
    """Whether a password may be sent on a connection without TLS."""

    NEEDS_TLS = "needs TLS"
    PLAINTEXT_ALLOWED = "plaintext allowed"


class TlsState(Enum):
    """Whether there is TLS, or could be."""

    UNAVAILABLE = "unavailable"
    OFFERED = "offered"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the server says of itself: its host name, and its name and version (empty: not said).

    `mechanisms` are those that AUTH takes, the best first.
    """

    hostname: str
    implementation: str = ""
    mechanisms: tuple[bytes, ...] = MECHANISMS


ALLOWED: dict[Keyword, frozenset[State]] = {
    Keyword.CAPA: frozenset({State.AUTHORIZATION, State.TRANSACTION}),
    Keyword.QUIT: frozenset({State.AUTHORIZATION, State.TRANSACTION}),
    # RFC 1939 gives NOOP to the TRANSACTION state only.
    Keyword.NOOP: frozenset({State.TRANSACTION}),
    Keyword.USER: frozenset({State.AUTHORIZATION}),
    Keyword.PASS: frozenset({State.AUTHORIZATION}),
    Keyword.AUTH: frozenset({State.AUTHORIZATION}),
    Keyword.STLS: frozenset({State.AUTHORIZATION}),
    Keyword.STAT: frozenset({State.TRANSACTION}),
    Keyword.LIST: frozenset({State.TRANSACTION}),
    Keyword.UIDL: frozenset({State.TRANSACTION}),
    Keyword.RETR: frozenset({State.TRANSACTION}),
    Keyword.TOP: frozenset({State.TRANSACTION}),
    Keyword.DELE: frozenset({State.TRANSACTION}),
    Keyword.RSET: frozenset({State.TRANSACTION}),
    Keyword.UTF8: frozenset({State.AUTHORIZATION}),
    Keyword.LANG: frozenset({State.AUTHORIZATION, State.TRANSACTION}),
}
# (fewest, most) arguments, for the commands whose arguments are words.
ARGUMENTS: dict[Keyword, tuple[int, int]] = {
    Keyword.CAPA: (0, 0),
    Keyword.QUIT: (0, 0),
    Keyword.NOOP: (0, 0),
    Keyword.STLS: (0, 0),
    Keyword.STAT: (0, 0),
    Keyword.RSET: (0, 0),
    Keyword.LIST: (0, 1),
    Keyword.UIDL: (0, 1),
    Keyword.RETR: (1, 1),
    Keyword.DELE: (1, 1),
    Keyword.TOP: (2, 2),
    Keyword.AUTH: (0, 2),
    Keyword.UTF8: (0, 0),
    Keyword.LANG: (0, 1),
}


def capabilities(
    state: State, tls: TlsState, may_login: bool, welcome: Welcome, keep_days: int
) -> list[bytes]:
    """What CAPA announces (RFC 2449 §6, RFC 3206, RFC 5034, RFC 6856), and nothing that is not so.

    Before and after login it is the same (RFC 2449 §6: "both / no"), USER and SASL too; but STLS, which says that the
    command is permitted now (RFC 2595 §4), and EXPIRE.

    EXPIRE: an account may choose for how many days what was read is kept; before login the least that it could
    choose is said (RFC 2449 §6.7). LOGIN-DELAY 0: whoever comes back at once is let in at once; what slows down are
    wrong passwords.
    """
    names = [
        b"TOP",
        b"UIDL",
        b"RESP-CODES",
        b"AUTH-RESP-CODE",
        b"PIPELINING",
        _expire(state, keep_days),
        b"LOGIN-DELAY 0",
    ]
    names += [b"UTF8 USER", b"LANG"]
    if may_login:
        names += [b"USER", b"SASL " + b" ".join(welcome.mechanisms)]
    if state is State.AUTHORIZATION and tls is TlsState.OFFERED:
        names.append(b"STLS")
    if welcome.implementation:
        names.append(b"IMPLEMENTATION " + welcome.implementation.encode("ascii", "replace"))
    return names


def _expire(state: State, keep_days: int) -> bytes:
    if state is State.AUTHORIZATION:
        return b"EXPIRE 1 USER"
    return b"EXPIRE %d" % keep_days if keep_days else b"EXPIRE NEVER"
