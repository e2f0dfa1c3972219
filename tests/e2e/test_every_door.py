"""At every door of a whole installation: no end but the true one ends a message, and nobody speaks for anybody else.

Both are judged by what lies in mailboxes in the end.
"""

import imaplib
import itertools
import re
import smtplib
import time

import pytest

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import relaxed
from tests.support.platform import PASSWORD, Account, Platform
from tests.unit.smtp_gateway.test_smuggling import ENDS

DOORS = ("mx", "submission", "starttls", "submissions", "lmtp")


def enter(platform: Platform, door: str, user: Account) -> smtplib.SMTP:
    """A session, logged in where that is needed."""
    if door == "mx":
        session = smtplib.SMTP("127.0.0.1", platform.ports.smtp, timeout=60)
    elif door == "lmtp":
        session = smtplib.LMTP("127.0.0.1", platform.ports.lmtp, timeout=60)
    elif door == "submissions":
        session = smtplib.SMTP_SSL("127.0.0.1", platform.ports.submissions, timeout=60, context=relaxed())
    else:
        session = smtplib.SMTP("127.0.0.1", platform.ports.submission, timeout=60)
        if door == "starttls":
            session.starttls(context=relaxed())
    session.ehlo("client.invalid")
    if door not in ("mx", "lmtp"):
        session.login(user.address, user.password)
    return session


def arrived(platform: Platform, user: Account, count: int) -> list[bytes]:
    """All of INBOX, once there are so many."""
    deadline = time.monotonic() + 60
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(user.address, user.password)
        while True:
            _, there = session.select("INBOX", readonly=True)
            if int(there[0] or b"0") >= count:
                break
            assert time.monotonic() < deadline, f"{there} of {count}"
            time.sleep(0.05)
        _, data = session.fetch("1:*", "(BODY.PEEK[])") if there[0] != b"0" else ("", [])
    return [each[1] for each in data if isinstance(each, tuple)]


@pytest.mark.parametrize("door", DOORS)
def test_nothing_else_ends_a_message(platform: Platform, door: str) -> None:
    user = platform.create_account(f"ends-{door}")
    smuggled = (
        f"MAIL FROM:<{user.address}>\r\nRCPT TO:<{user.address}>\r\nDATA\r\nFrom: {user.address}\r\n"
        "Subject: smuggled\r\n\r\nx\r\n.\r\n"
    ).encode()
    accepted = 0
    for end in ENDS:
        # One session for each: what is left of an attack ends it.
        session = enter(platform, door, user)
        session.mail(user.address)
        session.rcpt(user.address)
        assert session.docmd("DATA")[0] == 354
        session.send(plain("outer", user.address, user.address).content + end + smuggled)
        accepted += session.getreply()[0] == 250
        session.close()
    # The last one is whole: when it is there, so are those before it.
    session = enter(platform, door, user)
    session.sendmail(user.address, [user.address], plain("the last", user.address, user.address).content)
    session.close()
    found = arrived(platform, user, accepted + 1)
    subjects = [re.search(rb"\r\nSubject: ([a-z ]+)\r\n", each.partition(b"\r\n\r\n")[0]) for each in found]
    assert all(subjects)
    names = [match[1] for match in subjects if match]
    assert sorted(names) == [b"outer"] * accepted + [b"the last"]


# -- two tenants


@pytest.fixture(scope="module")
def people(platform: Platform) -> dict[str, Account]:
    """By tenant and name: ann and ben of each of two tenants, whose domains are signed for."""
    with platform._api() as api:
        api.post("/v1/tenants", json={"name": "rival"}).raise_for_status()
        api.post("/v1/domains", json={"name": "ours.test", "tenant": "demo"}).raise_for_status()
        api.post("/v1/domains", json={"name": "rival.test", "tenant": "rival"}).raise_for_status()
        found = {}
        for domain, name in itertools.product(("ours.test", "rival.test"), ("ann", "ben")):
            address = f"{name}@{domain}"
            api.post("/v1/accounts", json={"address": address, "password": PASSWORD}).raise_for_status()
            found[address] = Account(address, PASSWORD)
        # An address of one tenant that leads to somebody of the other gives him no right to it.
        api.post("/v1/aliases", json={"address": "trap@ours.test", "targets": ["ann@rival.test"]})
    for domain in ("ours.test", "rival.test"):
        platform.create_dkim_keys(domain)
    return found


PLACES = ("MAIL FROM", "From", "Sender", "Resent-From", "Resent-Sender")


def claim(session: smtplib.SMTP, own: str, place: str, claimed: str, reader: str) -> int:
    """Send in one's own name but for one place; the answer to the first thing that was refused, or to the message."""
    fields = {"From": own, "Subject": "claimed"} | ({} if place == "MAIL FROM" else {place: claimed})
    header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    session.rset()
    code, _ = session.mail(claimed if place == "MAIL FROM" else own)
    if code != 250:
        return code
    session.rcpt(reader)
    return session.data(f"{header}\r\nmine is {own}\r\n".encode())[0]


@pytest.mark.parametrize("door", ["submission", "starttls", "submissions"])
def test_nobody_speaks_for_another_account_nor_for_another_tenant(
    platform: Platform, people: dict[str, Account], door: str
) -> None:
    reader = platform.create_account(f"reader-{door}")
    accepted = 0
    for user, place in itertools.product(people.values(), PLACES):
        # One session for each: refusals are errors, and there may be so many.
        session = enter(platform, door, user)
        for claimed in (*people, "trap@ours.test", "ann@unknown.test"):
            code = claim(session, user.address, place, claimed, reader.address)
            assert code == (250 if claimed == user.address else 550), (user.address, place, claimed)
            accepted += code == 250
        session.close()
    assert accepted == len(people) * len(PLACES)
    for message in arrived(platform, reader, accepted):
        header, _, body = message.partition(b"\r\n\r\n")
        domain = body.strip().rpartition(b"@")[2]
        header = re.sub(rb"\r\n[ \t]+", b" ", header)
        signers = set(re.findall(rb"DKIM-Signature:[^\r]*?\bd=([a-z.]+)", header))
        assert signers <= {domain}
        for field in (b"From", b"Sender", b"Resent-From", b"Resent-Sender", b"Return-Path"):
            for value in re.findall(rb"(?:^|\r\n)" + field + rb": ([^\r]*)", header):
                assert value.strip(b"<>").endswith(b"@" + domain)


def test_each_tenants_mail_is_signed_for_its_own_domain(
    platform: Platform, people: dict[str, Account]
) -> None:
    reader = platform.create_account("signatures")
    for count, user in enumerate(people.values(), 1):
        with enter(platform, "submission", user) as session:
            session.sendmail(
                user.address, [reader.address], plain("signed", user.address, reader.address).content
            )
        newest = arrived(platform, reader, count)[-1]
        signers = set(re.findall(rb"\bd=([a-z.]+);", newest.partition(b"\r\n\r\n")[0]))
        assert signers == {user.address.rpartition("@")[2].encode()}
