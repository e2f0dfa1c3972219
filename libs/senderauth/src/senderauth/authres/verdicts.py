"""Our verdicts in the words of the registries: which method, which properties (RFC 8601 §2.7, RFC 6008, RFC 8617 §10)."""

from collections.abc import Iterable

from senderauth.authres.model import MethodResult
from senderauth.dkim.verify import DkimResult
from senderauth.dmarc.evaluate import DmarcResult
from senderauth.iprev import IprevResult
from senderauth.names import Address
from senderauth.result import Result
from senderauth.spf import SpfResult


def of_mail_from(verdict: SpfResult, reverse_path: str) -> MethodResult:
    """SPF of MAIL FROM; with an empty reverse-path the identity was postmaster@HELO."""
    identity = reverse_path or f"postmaster@{verdict.domain}"
    return MethodResult(
        "spf", verdict.result.value, (("smtp.mailfrom", identity),), _reason(verdict.result, verdict.reason)
    )


def of_helo(verdict: SpfResult) -> MethodResult:
    """SPF of HELO."""
    return MethodResult(
        "spf", verdict.result.value, (("smtp.helo", verdict.domain),), _reason(verdict.result, verdict.reason)
    )


def of_dkim(verdicts: Iterable[DkimResult]) -> list[MethodResult]:
    """One for each signature; `dkim=none` for an unsigned message."""
    found = []
    for verdict in verdicts:
        properties = [
            ("header.d", verdict.domain),
            ("header.s", verdict.selector),
            ("header.a", verdict.algorithm),
            ("header.b", verdict.signature_start),
        ]
        if verdict.identity not in ("", "@" + verdict.domain):
            properties.insert(1, ("header.i", verdict.identity))
        kept = tuple(each for each in properties if each[1])
        reason = verdict.reason
        if verdict.result is Result.PASS and verdict.unsigned_body_octets:
            reason = f"{verdict.unsigned_body_octets} octets of the body are not signed"
        found.append(MethodResult("dkim", verdict.result.value, kept, reason))
    return found or [MethodResult("dkim", Result.NONE.value)]


def of_dmarc(verdict: DmarcResult) -> MethodResult:
    """`policy.dmarc` is what the owner asks for this very message."""
    properties = [("header.from", verdict.author_domain)]
    if verdict.result is Result.FAIL:
        properties.append(("policy.dmarc", verdict.disposition.value))
    return MethodResult(
        "dmarc", verdict.result.value, tuple(properties), _reason(verdict.result, verdict.reason)
    )


def of_iprev(verdict: IprevResult) -> MethodResult:
    """The address, and its name where it has one."""
    return MethodResult(
        "iprev", verdict.result.value, (("policy.iprev", str(verdict.address)),), verdict.reason
    )


def of_arc(result: Result, oldest_pass: int, client: Address) -> MethodResult:
    """RFC 8617 §10: the chain's status, and from which instance on the message is unchanged."""
    properties = [("header.oldest-pass", str(oldest_pass))] if result is Result.PASS else []
    return MethodResult("arc", result.value, (*properties, ("smtp.remote-ip", str(client))))


def of_login(account_address: str) -> MethodResult:
    """A message that came by submission, from whoever logged in (RFC 8601 §2.7.4)."""
    return MethodResult("auth", Result.PASS.value, (("smtp.auth", account_address),))


def _reason(result: Result, reason: str) -> str:
    return "" if result in (Result.PASS, Result.NONE) else reason
