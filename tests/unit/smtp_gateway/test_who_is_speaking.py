"""The MX door asks who is speaking: what it writes down, what it takes out, what it refuses and keeps apart."""

import asyncio
import base64
import sys
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from directoryclient import Unavailable
from directoryclient.policies import TenantPolicy
from mailproto.smtp.reply import Reply
from senderauth import Result, arc, authres, dkim
from senderauth.authres import AuthResults, MethodResult
from senderauth.dkim.sign import SigningKey
from senderauth.dmarc import DmarcResult, Policy
from senderauth.dns import Resolve
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from smtp_gateway.core.verdicts import Limit, follow
from smtp_gateway.edge.checking import Checker
from smtp_gateway.ports import Policies
from spool import Letter

from tests.support.dkim_vectors import RFC8463_ED25519_SECRET
from tests.support.fake_gateway import OTHER_TENANT, TENANT, FakeGate, converse
from tests.support.zone import TIMEOUT, Zone

NOW = datetime.now(UTC)
CLIENT = "192.0.2.1"
KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC8463_ED25519_SECRET))
BANK = SigningKey("bank.example", "s", KEY)
LIST = SigningKey("list.example", "s", KEY)
NAMES: dict[str, Any] = {
    "bank.example": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
    "s._domainkey.bank.example": {"TXT": BANK.record},
    "_dmarc.bank.example": {"TXT": "v=DMARC1; p=reject"},
    "careful.example": {"TXT": "v=spf1 -all"},
    "_dmarc.careful.example": {"TXT": "v=DMARC1; p=quarantine"},
    "s._domainkey.list.example": {"TXT": LIST.record},
    "mail.bank.example": {"TXT": "v=spf1 a -all", "A": [CLIENT]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.bank.example"]},
    "slow.example": TIMEOUT,
    "_dmarc.slow.example": TIMEOUT,
}
ALL_NAMES = (*NAMES, "_dmarc.mail.bank.example")
BODY = b"To: jones@foo.com\r\nSubject: hello\r\n\r\nHello\r\n"
LETTER = b"From: <a@bank.example>\r\n" + BODY


class Values(TypedDict, total=False):
    """Of the gateway's settings, and what is beside them."""

    dmarc: str
    ambiguous_authors: str
    arc_trusted_sealers: tuple[str, ...]
    sender_checks_exempt: list[str]
    policies: Policies


def send(
    content: bytes,
    reverse_path: str = "a@bank.example",
    client: str = CLIENT,
    names: dict[str, Any] | None = None,
    **values: Unpack[Values],
) -> tuple[bytes, FakeGate, Zone]:
    """A stranger sends this; what was said to the final dot, the gate, the zone."""
    zone = Zone(names or NAMES)
    chunks = [
        b"EHLO mail.bank.example\r\n",
        f"MAIL FROM:<{reverse_path}>\r\n".encode() + b"RCPT TO:<jones@foo.com>\r\n",
        b"BDAT %d LAST\r\n" % len(content) + content,
    ]
    said, gate, _ = converse(Role.MX, chunks, client=client, zone=zone, **values)
    return said.splitlines()[-1], gate, zone


def field_of(letter: Letter) -> AuthResults:
    """Our Authentication-Results, which stand on top."""
    name, _, rest = letter.trace_prefix.partition(b":")
    assert name == b"Authentication-Results"
    found = authres.parse(rest.partition(b"\r\nReceived:")[0])
    assert found is not None
    return found


def results(letter: Letter) -> dict[str, str]:
    return {each.method: each.result for each in reversed(field_of(letter).results)}


def signed(content: bytes, key: SigningKey = BANK) -> bytes:
    return dkim.sign(content, [key], now=NOW, lifetime_seconds=86_400) + content


def test_an_honest_message_passes_everything() -> None:
    said, gate, _ = send(signed(LETTER), dmarc="reject")
    assert said.startswith(b"250")
    [letter] = gate.letters
    assert field_of(letter).authserv_id == "gate.test"
    assert results(letter) == dict.fromkeys(("spf", "dkim", "dmarc", "iprev"), "pass")
    assert letter.speaker is not None
    assert letter.speaker.dmarc is Result.PASS
    assert letter.speaker.client_name == "mail.bank.example"
    assert [each.domain for each in letter.speaker.signatures] == ["bank.example"]
    assert b"Received: from mail.bank.example (mail.bank.example [192.0.2.1])" in letter.trace_prefix
    assert letter.quarantined_tenants == NOBODY
    assert letter.content == signed(LETTER)


def test_the_field_tells_of_both_identities() -> None:
    _, gate, _ = send(LETTER)
    spf = [each for each in field_of(gate.letters[0]).results if each.method == "spf"]
    assert [(each.result, each.properties) for each in spf] == [
        ("pass", (("smtp.mailfrom", "a@bank.example"),)),
        ("pass", (("smtp.helo", "mail.bank.example"),)),
    ]
    _, gate, _ = send(LETTER, "")
    spf = [each for each in field_of(gate.letters[0]).results if each.method == "spf"]
    assert [each.property("smtp.mailfrom") for each in spf] == ["postmaster@mail.bank.example"]


FORGED = b"From: <a@bank.example>\r\n" + BODY
CAREFUL = b"From: <a@careful.example>\r\n" + BODY
THIEF = "203.0.113.9"
NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("content", "limit", "outcome"),
    [
        (FORGED, "mark", NOBODY),
        (FORGED, "quarantine", {TENANT}),
        (FORGED, "reject", b"550 5.7.26 "),
        (CAREFUL, "mark", NOBODY),
        (CAREFUL, "quarantine", {TENANT}),
        (CAREFUL, "reject", {TENANT}),
        (b"From: <a@unknown.example>\r\n" + BODY, "reject", NOBODY),
        (b"From: <a@slow.example>\r\n" + BODY, "reject", NOBODY),
        (b"Subject: nobody\r\n" + BODY, "reject", NOBODY),
    ],
)
def test_the_owners_wish_is_followed_as_far_as_we_are_told(
    content: bytes, limit: str, outcome: frozenset[str] | bytes
) -> None:
    said, gate, _ = send(content, "x@thief.example", THIEF, dmarc=limit)
    if isinstance(outcome, bytes):
        assert said.startswith(outcome)
        assert gate.letters == []
    else:
        assert said.startswith(b"250")
        assert gate.letters[0].quarantined_tenants == outcome


@pytest.mark.parametrize(
    ("wish", "limits", "outcome"),
    [
        (Policy.REJECT, (Limit.REJECT, Limit.REJECT), None),
        (Policy.REJECT, (Limit.REJECT, Limit.MARK), {TENANT}),
        (Policy.REJECT, (Limit.QUARANTINE, Limit.REJECT), {TENANT, OTHER_TENANT}),
        (Policy.REJECT, (Limit.MARK, Limit.QUARANTINE), {OTHER_TENANT}),
        (Policy.QUARANTINE, (Limit.REJECT, Limit.REJECT), {TENANT, OTHER_TENANT}),
        (Policy.QUARANTINE, (Limit.MARK, Limit.MARK), set()),
    ],
)
def test_every_tenant_has_its_limit_and_the_dialogue_one_answer(
    wish: Policy, limits: tuple[Limit, Limit], outcome: set[str] | None
) -> None:
    verdict = DmarcResult(Result.FAIL, "bank.example", policy=wish, disposition=wish)
    found = follow(verdict, dict(zip((TENANT, OTHER_TENANT), limits, strict=True)))
    assert isinstance(found, Reply) if outcome is None else found == frozenset(outcome)


class Chosen:
    """What tenants chose."""

    def __init__(self, dmarc: str = "", *, away: str = "") -> None:
        self._dmarc = dmarc
        self._away = away
        self.asked: list[str] = []

    async def of(self, tenant_id: str) -> TenantPolicy:
        self.asked.append(tenant_id)
        if self._away:
            raise Unavailable(self._away)
        return TenantPolicy(self._dmarc)


def test_a_tenants_choice_goes_before_the_setting() -> None:
    def forge(policies: Chosen, content: bytes = FORGED) -> tuple[bytes, FakeGate]:
        said, gate, _ = send(content, "x@thief.example", THIEF, policies=policies, dmarc="reject")
        return said, gate

    said, gate = forge(Chosen("quarantine"))
    assert said.startswith(b"250")
    assert gate.letters[0].quarantined_tenants == {TENANT}
    assert forge(Chosen())[0].startswith(b"550 5.7.26 ")
    assert forge(Chosen(away="the directory does not answer"))[0].startswith(b"451")
    # Only where somebody asks for something it makes a difference.
    unasked = Chosen()
    assert forge(unasked, b"From: <a@unknown.example>\r\n" + BODY)[0].startswith(b"250")
    assert unasked.asked == []


def test_what_a_trusted_list_changed_is_not_held_against_it() -> None:
    seen = [MethodResult("dmarc", "pass")]
    changed = FORGED.replace(b"Subject: hello", b"Subject: [list] hello")
    arrived = asyncio.run(arc.verify(Zone(NAMES), changed, now=NOW))
    sealed = arc.seal(changed, arrived, "list.example", seen, LIST, now=NOW) + changed
    for trusted, expected in (("list.example", b"250"), ("other.example", b"550 5.7.26")):
        said, gate, _ = send(sealed, "x@list.example", THIEF, dmarc="reject", arc_trusted_sealers=(trusted,))
        assert said.startswith(expected)
    said, gate, _ = send(sealed, "x@list.example", THIEF)
    speaker = gate.letters[0].speaker
    assert speaker is not None
    assert (speaker.arc, speaker.arc_sealers) == (Result.PASS, ("list.example",))
    assert results(gate.letters[0])["arc"] == "pass"


def test_a_trusted_list_that_saw_it_fail_vouches_for_nothing() -> None:
    arrived = asyncio.run(arc.verify(Zone(NAMES), FORGED, now=NOW))
    # A forger passes SPF in his own name.
    seen = [MethodResult("spf", "pass"), MethodResult("dmarc", "fail")]
    sealed = arc.seal(FORGED, arrived, "list.example", seen, LIST, now=NOW) + FORGED
    said, _, _ = send(sealed, "x@list.example", THIEF, dmarc="reject", arc_trusted_sealers=("list.example",))
    assert said.startswith(b"550 5.7.26")


async def test_zones_that_say_nothing_leave_time_for_the_owners_wish() -> None:
    class Short:
        def within(self, seconds: float) -> Resolve:
            return Zone(NAMES if seconds >= 8.0 else dict.fromkeys(ALL_NAMES, TIMEOUT))

    checker = Checker(Short(), "gate.test", Networks(()), 8.0)
    found = await checker.check(CLIENT, "mail.bank.example", "a@bank.example", FORGED)
    assert found is not None
    assert found.dmarc is not None
    assert found.spf.result is Result.TEMPERROR
    assert found.dmarc.policy is Policy.REJECT


@pytest.mark.parametrize("value", [b"a@bank.example, b@thief.example", b"a@bank.example <b@thief.example>"])
def test_authors_that_no_reader_agrees_on(value: bytes) -> None:
    content = b"From: " + value + b"\r\n" + BODY
    said, gate, _ = send(content, "x@thief.example", THIEF)
    assert said.startswith(b"250")
    assert results(gate.letters[0])["dmarc"] == "permerror"
    assert gate.letters[0].quarantined_tenants == frozenset()
    # Whoever follows wishes of domains is not to be evaded by a field that names two.
    for wish in ("quarantine", "reject"):
        said, gate, _ = send(content, "x@thief.example", THIEF, dmarc=wish)
        assert said.startswith(b"250")
        assert gate.letters[0].quarantined_tenants == {gate.letters[0].recipients[0].tenant_id}
    _, gate, _ = send(content, "x@thief.example", THIEF, dmarc="reject", ambiguous_authors="taken")
    assert gate.letters[0].quarantined_tenants == frozenset()
    said, gate, _ = send(content, "x@thief.example", THIEF, ambiguous_authors="refused")
    assert said.startswith(b"550 5.7.1 ")
    assert gate.letters == []


def test_a_silent_dns_is_a_temperror_and_refuses_nothing() -> None:
    said, gate, _ = send(signed(LETTER), names=dict.fromkeys(ALL_NAMES, TIMEOUT), dmarc="reject")
    assert said.startswith(b"250")
    assert set(results(gate.letters[0]).values()) == {"temperror"}


OURS = b"Authentication-Results: gate.test; dmarc=pass header.from=bank.example\r\n"
THEIRS = b"Authentication-Results: elsewhere.test;\r\n\tdmarc=pass\r\n"


@pytest.mark.parametrize("client", [CLIENT, "127.0.0.1"])
def test_nobody_else_speaks_in_our_name(client: str) -> None:
    content = b"Subject: x\r\n" + OURS + THEIRS + FORGED + OURS
    _, gate, _ = send(content, client=client)
    # What looks like a field in the body is text.
    assert gate.letters[0].content == b"Subject: x\r\n" + THEIRS + FORGED + OURS


def test_signatures_are_checked_on_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody signs the field, too, that is taken out.
    monkeypatch.setattr(sys.modules["senderauth.dkim.sign"], "SIGNED", (b"authentication-results",))
    content = signed(OURS + LETTER)
    _, gate, _ = send(content)
    assert results(gate.letters[0])["dkim"] == "pass"
    assert gate.letters[0].content == content.replace(OURS, b"")


def test_users_do_not_speak_in_our_name_either() -> None:
    content = OURS + b"From: jones@foo.com\r\nBcc: x@y.test\r\n\r\ntext\r\n"
    chunks = [
        b"EHLO c.test\r\n",
        b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n",
        b"MAIL FROM:<jones@foo.com>\r\nRCPT TO:<far@elsewhere.test>\r\n",
        b"BDAT %d LAST\r\n" % len(content) + content,
    ]
    _, gate, _ = converse(Role.MSA, chunks, zone=Zone(NAMES), hostname="smtp.test", authserv_id="gate.test")
    assert gate.letters[0].content == b"From: jones@foo.com\r\n\r\ntext\r\n"
    assert gate.letters[0].speaker is None


def test_whose_mail_is_not_checked() -> None:
    for client, exempt in (
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        (CLIENT, [CLIENT]),
    ):
        values: Values = {"dmarc": "reject"}
        if exempt is not None:
            values["sender_checks_exempt"] = exempt
        _, gate, zone = send(signed(LETTER), client=client, **values)
        [letter] = gate.letters
        assert zone.asked == []
        assert (letter.speaker, letter.quarantined_tenants) == (None, NOBODY)
        assert letter.trace_prefix.startswith(b"Received:")


def test_a_large_message_is_checked_as_well() -> None:
    content = LETTER + b"x" * 78 + b"\r\n" * 200_000
    _, gate, _ = send(signed(content))
    assert results(gate.letters[0])["dkim"] == "pass"
