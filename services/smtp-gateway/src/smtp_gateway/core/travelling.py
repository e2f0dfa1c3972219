"""How a message is to travel: what a door offers, and what becomes of what MAIL asks for.

Time limits of the sender's are offered where DSN is (a stranger could have us tell a forged sender), turns before
others and a later release to users only, REQUIRETLS to everybody in TLS.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_config import DeliverBy, Dsn, FutureRelease, Priorities, ServerConfig
from mailproto.smtp.server_parameters import MailParameters
from mailproto.smtp.wishes import NO_WISHES, TlsWish, Wishes, WishInvalid, wishes_at

from smtp_gateway.core.roles import Role

# RFC 8689 §3
TLS_OPTIONAL = re.compile(rb"^tls-required:[ \t\r\n]*no[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def offered(config: ServerConfig, role: Role, now: datetime, release_seconds: int) -> ServerConfig:
    """The config with what this role offers; `release_seconds` 0: nothing is released later."""
    limited = DeliverBy.OFFERED if config.dsn is Dsn.OFFERED else DeliverBy.REFUSED
    if role is not Role.MSA:
        return replace(config, deliver_by=limited)
    until = now + timedelta(seconds=release_seconds)
    return replace(
        config,
        deliver_by=limited,
        priorities=Priorities.OFFERED,
        future_release=FutureRelease(release_seconds, until) if release_seconds else None,
    )


def wishes_of(given: MailParameters, now: datetime, priority_most: int) -> Wishes | Reply:
    """What MAIL asks for, with a priority as high as it may be; the Reply refuses it."""
    if given.tls is TlsWish.USUAL and given.by is None and given.priority is None and given.hold is None:
        return NO_WISHES
    try:
        return wishes_at(now, given.tls, given.by, min(given.priority or 0, priority_most), given.hold)
    except WishInvalid as error:
        return Reply.of(501, "5.5.4", str(error))


def lowered(given: MailParameters, wishes: Wishes) -> Reply | None:
    """The answer to MAIL where its priority was lowered (RFC 6710, X.3.6)."""
    if given.priority is None or given.priority == wishes.priority:
        return None
    return Reply.of(250, "2.3.6", f"{wishes.priority} is the new priority of the message")


def with_header(wishes: Wishes, header: bytes) -> Wishes:
    """What the header wishes counts where MAIL did not say REQUIRETLS (RFC 8689 §4.1)."""
    if (
        wishes.tls is TlsWish.USUAL
        and b"tls-required:" in header.lower()
        and len(TLS_OPTIONAL.findall(header)) == 1
    ):
        return replace(wishes, tls=TlsWish.OPTIONAL)
    return wishes
