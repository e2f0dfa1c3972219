"""Who is speaking: two installations that publish SPF, DKIM and DMARC, and strangers who pretend to be one of them.

Both ask a DNS server of the test's own, and check everybody, this machine too.
"""

import smtplib

import pytest
from senderauth.authres import AuthResults, parse

from tests.e2e.conftest import Pair
from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject

FORGED = b"Authentication-Results: mx.b.test; dmarc=pass header.from=c.test\r\n"
FOREIGN = b"Authentication-Results: mx.elsewhere.test; spf=pass\r\n"


def results_in(arrived: bytes) -> list[AuthResults]:
    """All Authentication-Results of a message's header, from the top."""
    header = arrived.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    values = [
        line.partition(b":")[2]
        for line in header.split(b"\r\n")
        if line.lower().startswith(b"authentication-results:")
    ]
    found = [parse(value) for value in values]
    return [each for each in found if each is not None]


def verdicts(arrived: bytes) -> set[tuple[str, str]]:
    """(method, result) of what mx.b.test says; it says so once, on top."""
    ours, *others = results_in(arrived)
    assert ours.authserv_id == "mx.b.test"
    assert all(each.authserv_id != "mx.b.test" for each in others)
    return {(each.method, each.result) for each in ours.results}


def bring(pair: Pair, subject: str, reverse_path: str, author: str, more: bytes = b"") -> bytes:
    """A stranger brings a message to b.test; as it arrived. Raises smtplib.SMTPDataError."""
    bob = pair.b.account("bob")
    with smtplib.SMTP("127.0.0.1", pair.b.ports.smtp) as session:
        session.ehlo("client.c.test")
        session.sendmail(reverse_path, [bob.address], more + plain(subject, author, bob.address).content)
    return wait_for_subject(pair.b, bob.address, bob.password, subject)


def test_relayed_mail_is_signed_and_passes_all_checks(pair: Pair) -> None:
    for key in pair.a.create_dkim_keys("a.test"):
        pair.dns.txt(key["record_name"], key["record"])
    alice, bob = pair.a.account("alice"), pair.b.account("bob")
    for number in range(50):
        subject = f"signed {number:02}"
        letter = plain(subject, alice.address, bob.address)
        with smtplib.SMTP("127.0.0.1", pair.a.ports.submission) as session:
            session.login(alice.address, alice.password)
            session.sendmail(alice.address, [bob.address], letter.content)
        arrived = wait_for_subject(pair.b, bob.address, bob.password, subject)
        # The gateway hears of new keys a moment after they were made.
        if b"DKIM-Signature" in arrived:
            break
    assert arrived.endswith(letter.content)
    assert {("spf", "pass"), ("dkim", "pass"), ("dmarc", "pass"), ("iprev", "pass")} == verdicts(arrived)
    signed = [each for each in results_in(arrived)[0].results if each.method == "dkim"]
    assert {(each.property("header.d"), each.property("header.a")) for each in signed} == {
        ("a.test", "rsa-sha256"),
        ("a.test", "ed25519-sha256"),
    }


def test_a_stranger_in_anothers_name_is_marked(pair: Pair) -> None:
    pair.dns.txt("c.test", "v=spf1 -all")
    arrived = bring(pair, "marked", "x@c.test", "x@unpublished.test")
    assert {("spf", "fail"), ("dkim", "none"), ("dmarc", "none")} <= verdicts(arrived)


def test_a_stranger_is_refused_where_the_owner_asks_for_it(pair: Pair) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        bring(pair, "refused", "x@unpublished.test", "alice@a.test")
    assert refused.value.smtp_code == 550
    said = refused.value.smtp_error
    assert isinstance(said, bytes)
    assert said.startswith(b"5.7.26 ")
    assert b"a.test" in said


def test_forged_results_are_taken_out(pair: Pair) -> None:
    arrived = bring(pair, "forged results", "x@unpublished.test", "x@unpublished.test", FORGED + FOREIGN)
    assert FORGED not in arrived
    assert FOREIGN in arrived
    assert ("dmarc", "none") in verdicts(arrived)
    assert ("dmarc", "pass") not in verdicts(arrived)
