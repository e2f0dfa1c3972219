"""Webhooks: where to, about what, how they are signed, when they are tried again."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mta_queue.core.events import Type

URL_MOST = 1000
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 6 * 3600.0
NAMES = frozenset(each.value for each in Type)
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*\Z", re.IGNORECASE)


class HookInvalid(ValueError):
    """The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a tenant; no `events` are all."""

    webhook_id: str
    events: frozenset[str]

    def wants(self, kind: str) -> bool:
        """Whether it is to be told of this."""
        return not self.events or kind in self.events


def check_url(url: str) -> tuple[str, str]:
    """Host and target of an https URL on the usual port, without a user. Raises HookInvalid.

    An address in place of a name is refused: names are looked up at each try, and lead to public addresses only.
    """
    if len(url) > URL_MOST or any(not ("!" <= each <= "~") for each in url):
        raise HookInvalid(f"a URL has up to {URL_MOST} characters of ASCII, without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise HookInvalid(f"{url!r} is no URL: {error}") from error
    if parts.scheme != "https":
        raise HookInvalid("a webhook's URL begins with https://")
    if parts.username is not None or parts.password is not None or port not in (None, 443):
        raise HookInvalid("a webhook's URL has no user and no port of its own")
    host = parts.hostname or ""
    if not HOST.fullmatch(host) or "." not in host or _is_address(host):
        raise HookInvalid(f"{host!r} is no host name")
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def check_events(events: Sequence[str]) -> None:
    """Raises HookInvalid."""
    if unknown := sorted(set(events) - NAMES):
        raise HookInvalid(f"there is no event {unknown[0]!r}; there are {', '.join(sorted(NAMES))}")


def signature(secret: bytes, seconds: int, body: bytes) -> str:
    """The field Posthouse-Signature: HMAC-SHA256 over `<seconds>.<body>`, so that neither can be replaced or replayed."""
    digest = hmac.new(secret, str(seconds).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def again_seconds(failures: int) -> float:
    """The wait after so many failures in a row, the last one included."""
    return float(min(FIRST_SECONDS * 2 ** min(max(failures, 1) - 1, 20), LONGEST_SECONDS))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # 127.1 and 0x7f000001 are addresses to some resolvers.
        return host.rsplit(".", 1)[-1].isdigit()
    return True
