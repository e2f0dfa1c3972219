"""DKIM signatures of what our users submit (RFC 6376, RFC 8463), put in front of it before the gate.

The domain of From chooses the keys: one domain, which every reader sees, and whose tenant is the user's (that the
address is the user's own was checked before, `edge/owning.py`). All keys of the domain sign. Mail of a domain without
keys goes unsigned; while the keys cannot be had the client is asked to come again.
"""

import asyncio
from dataclasses import replace

from directoryclient import Identity, Unavailable
from mailmsg.header import header_end
from mailproto.smtp.reply import Reply
from senderauth import dkim, dmarc
from senderauth.dmarc import AuthorFault
from servicekit import logs
from spool import Letter

from smtp_gateway import metrics
from smtp_gateway.core import roles
from smtp_gateway.edge.needs import Needs

LOG = logs.logger("smtp_gateway.signing")
# From this size on the message is hashed in a thread.
THREAD_OCTETS = 256 * 1024


async def sign(needs: Needs, who: Identity | None, letter: Letter) -> Letter | Reply:
    """The letter with its signatures, after Received; the Reply postpones it."""
    if who is None or needs.signing_keys is None:
        return letter
    content = letter.content
    author = dmarc.author_domain(content[: header_end(content) or len(content)])
    if isinstance(author, AuthorFault):
        metrics.UNSIGNED.labels("author").inc()
        return letter
    try:
        keys = await needs.signing_keys.of(who.account.tenant_id, author)
    except Unavailable as error:
        LOG.warning("keys_unavailable", queue_id=letter.queue_id, error=str(error))
        return roles.UNWELL
    if not keys:
        metrics.UNSIGNED.labels("no_key").inc()
        return letter
    message = letter.added_fields + content
    lifetime = needs.settings.dkim_lifetime_seconds
    if len(message) >= THREAD_OCTETS:
        signatures = await asyncio.to_thread(
            dkim.sign, message, keys, now=letter.arrived_at, lifetime_seconds=lifetime
        )
    else:
        signatures = dkim.sign(message, keys, now=letter.arrived_at, lifetime_seconds=lifetime)
    for key in keys:
        metrics.SIGNED.labels(key.algorithm.value).inc()
    return replace(letter, trace_prefix=letter.trace_prefix + signatures)
