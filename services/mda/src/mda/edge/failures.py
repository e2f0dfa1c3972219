"""Telling a script's owner that it failed, once a day (RFC 5228 §2.10.6): the message is filed all the same."""

from directoryclient import Unavailable
from mailmodel import AccountRef
from mailmsg.header import first_value, unfold
from mailmsg.words import decode_words
from mailstore import MailStore
from servicekit import logs
from sieve.errors import RunError
from spool import OutcomeUnknown, SpoolUnavailable, new_queue_id

from mda.core.sieving import memory_handle
from mda.edge.outgoing import Outgoing
from mda.edge.running import OF_TENANT

LOG = logs.logger("mda.failures")
TOLD_SECONDS = 86_400
SUBJECT = "Your mail filter failed"
LONGEST_SUBJECT = 200


class Failures:
    """Of scripts of accounts; a tenant's are no business of its users."""

    def __init__(self, mailboxes: MailStore, outgoing: Outgoing) -> None:
        self._mailboxes = mailboxes
        self._outgoing = outgoing

    async def tell(self, account: AccountRef, address: str, error: RunError, header: bytes) -> None:
        """`header` is that of the message that it failed on. Raises StoreUnavailable."""
        if error.place.script.startswith(OF_TENANT):
            return
        handle = memory_handle("script failed")
        if not await self._mailboxes.scripts.remember(account, handle, TOLD_SECONDS):
            return
        try:
            await self._outgoing.tell_owner(account, address, new_queue_id(), SUBJECT, words(error, header))
        except (Unavailable, SpoolUnavailable, OutcomeUnknown) as problem:
            # The next one is told of instead.
            await self._mailboxes.scripts.prolong(account, handle, 0)
            LOG.warning("failure_not_told", account_id=account.account_id, error=str(problem))


def words(error: RunError, header: bytes) -> str:
    """The text of the notice."""
    subject = decode_words(unfold(first_value(header, b"Subject") or b"")).strip()[:LONGEST_SUBJECT]
    said = "".join(sign if sign.isprintable() else " " for sign in subject)
    return (
        "Your Sieve script could not be run to its end. The message was filed as if there were no script.\n"
        "\n"
        f"  {error}\n"
        f"  Subject of the message: {said}\n"
        "\n"
        "Until the script is changed this happens with every such message; you are told once a day.\n"
    )
