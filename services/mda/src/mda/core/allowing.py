"""Return receipts and whether a reader's programs may still ask about them (RFC 3503)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from directoryclient.policies import AccountSettings
from mailmodel import Flags
from mailmsg.header import fields
from mailmsg.mdn import asks
from mailstore import Delivery
from senderauth import Result, authres
from senderauth.authres.model import AuthResults, MethodResult
from spool import Signature, Speaker, SpooledLetter

MDN_SENT = "$MDNSent"
NEVER = "never"
FOUND_OUT = b"authentication-results"
MAIL_FROM = "smtp.mailfrom"


def was_told(flags: Flags) -> bool:
    """Whether a receipt was sent, or is never to be."""
    return any(each.lower() == MDN_SENT.lower() for each in flags.keywords)


def wants_receipt(letter: SpooledLetter) -> bool:
    """Whether the sender asked for one."""
    return asks(letter.facts.header)


def is_vouched_for(prefix: bytes, reverse_path: str) -> bool:
    """Whether what delivery put before a stored message lets its reverse-path be told, as `Envelope.may_answer_sender` does.

    Our door wrote down what it found out; where it checked nothing the reverse-path is believed.
    """
    written = next((each.value for each in fields(prefix) if each.name.lower() == FOUND_OUT), None)
    if written is None:
        return True
    found = authres.parse(written)
    return found is not None and _speaker(found).vouches_for(reverse_path.rpartition("@")[2])


def _speaker(found: AuthResults) -> Speaker:
    mail_from = next(
        (each for each in found.results if each.method == "spf" and each.property(MAIL_FROM)), None
    )
    spf, domain = Result.NONE, ""
    if mail_from is not None:
        spf, domain = _result(mail_from), mail_from.property(MAIL_FROM).rpartition("@")[2]
    signatures = tuple(
        Signature(_result(each), each.property("header.d"), "")
        for each in found.results
        if each.method == "dkim"
    )
    none = Result.NONE
    return Speaker(spf, domain, none, none, "", signatures, none, (), none, "", "none")


def _result(told: MethodResult) -> Result:
    return next((each for each in Result if each.value == told.result), Result.NONE)


def without_asking(deliveries: Sequence[Delivery], chosen: Mapping[str, AccountSettings]) -> list[Delivery]:
    """For accounts (by id) that never send receipts: filed as if one had been sent, so that no program asks for one."""
    return [
        _settled(each)
        if (choice := chosen.get(each.account.account_id)) is not None and choice.mdn == NEVER
        else each
        for each in deliveries
    ]


def _settled(delivery: Delivery) -> Delivery:
    if delivery.new is None:
        return delivery
    flags = delivery.new.flags
    marked = Flags(flags.system, flags.keywords | {MDN_SENT})
    return replace(delivery, new=replace(delivery.new, flags=marked))
