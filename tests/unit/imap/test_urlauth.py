"""URLAUTH (RFC 4467, RFC 5092 §6.1, RFC 5524): URLs that are signed, and who may use them. Those of others' mailboxes are
tested on the real store.
"""

import re
from contextlib import closing

import pytest
from imap.core.signing import is_signed, signed
from imap.core.structures import structure_of
from mailmsg.facts import examine
from mailproto.imap.url_access import Grantee, parse_access
from mailproto.imap.urls import UrlInvalid, parse_url

from tests.support.imap_memory import Client, Imap

NESTED = (
    "Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n"
    "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\na=\nb=0A=63\n"
    "--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAEC\n"
    "--b\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/alternative; boundary=c\n\n"
    '--c\nContent-Type: text/plain\n\nplain ("\\\n--c\nContent-Type: text/html\n\n<p>\n--c--\n'
    "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: x-own\n\nsecret\n"
    "--b--\n"
)
FRONT = "imap://alice%40example.test@localhost/INBOX"


@pytest.fixture
def alice(imap: Imap) -> Client:
    client = imap.client()
    client.append(NESTED)
    return client


def sign(client: Client, rump: str) -> str:
    said = client.say(f'GENURLAUTH "{rump}" INTERNAL')
    assert said[-1] == "OK GENURLAUTH completed", said
    found = re.fullmatch(r'\* GENURLAUTH "(.*)"', said[0])
    assert found is not None
    assert found[1].startswith(f"{rump}:internal:01")
    return found[1]


def fetched(client: Client, url: str) -> str:
    """What a URL leads to."""
    said = client.raw(f'URLFETCH "{url}"').decode()
    front = f'* URLFETCH "{url}" '
    assert said.startswith(front), said
    assert said.endswith("\r\nx OK URLFETCH completed\r\n"), said
    value = said[len(front) :].removesuffix("\r\nx OK URLFETCH completed\r\n")
    if value.startswith("{"):
        octets, _, text = value.partition("}\r\n")
        assert len(text) == int(octets[1:])
        return text
    return value if value == "NIL" else value[1:-1]


PLACES = {
    "/;uid=1/;section=HEADER": "Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
    "/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)": "Subject: outer\r\n\r\n",
    "/;UID=1/;SECTION=1": "a=\r\nb=0A=63",
    "/;UID=1/;SECTION=1;PARTIAL=0.2": "a=",
    "/;UID=1/;SECTION=1/;PARTIAL=4": "b=0A=63",
    "/;UID=1/;SECTION=1/;PARTIAL=400": "",
    "/;UID=1/;SECTION=3.2.MIME": "Content-Type: text/html\r\n\r\n",
    "/;UID=1/;SECTION=3.HEADER.FIELDS%20(SUBJECT)/;PARTIAL=0.7": "Subject",
    "/;UID=1": NESTED.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_part_is_had_by_its_url(alice: Client, imap: Imap, place: str) -> None:
    url = sign(alice, f"{FRONT}{place};URLAUTH=anonymous")
    assert fetched(imap.client(), url) == PLACES[place]
    # Nothing is selected by that, and nothing marked as seen.
    assert alice.say("STATUS INBOX (UNSEEN)")[0].endswith("(UNSEEN 1)")


def test_what_is_selected_stays_as_it_is(alice: Client) -> None:
    url = sign(alice, f"{FRONT}/;UID=1/;SECTION=1;URLAUTH=authuser")
    assert "* OK [URLMECH INTERNAL] How URLs are signed" in alice.say("SELECT Sent")
    assert "* OK [URLMECH INTERNAL] How URLs are signed" in alice.say("EXAMINE Sent")
    assert fetched(alice, url) == "a=\r\nb=0A=63"
    assert alice.say("FETCH 1 FLAGS")[-1].startswith("BAD")
    assert alice.say("CHECK")[-1].startswith("OK")


def test_any_other_octet_is_another_url(alice: Client) -> None:
    url = sign(alice, f"{FRONT}/;UID=1/;SECTION=1;URLAUTH=authuser")
    alice.append("Subject: second\n\nother\n")
    front = len("imap://")
    for place in range(front, len(url)):
        other = {"1": "2", "e": "f", ";": "/"}.get(url[place], "1")
        altered = url[:place] + other + url[place + 1 :]
        assert fetched(alice, altered) == "NIL", altered
    for shorter in (url[:-1], url[:-2], url + "00", url + ";", url.rpartition(":")[0], "x" + url):
        assert fetched(alice, shorter) == "NIL", shorter
    assert fetched(alice, url) == "a=\r\nb=0A=63"


@pytest.mark.parametrize(
    ("expires", "is_over"),
    [
        ("2020-01-02T03:04:05Z", True),
        ("2999-01-02T03:04:05Z", False),
        ("2999-01-02t03:04:05.25+02:00", False),
        ("2020-01-02T03:04:05.25-12:00", True),
    ],
)
def test_a_url_may_have_an_end(alice: Client, expires: str, is_over: bool) -> None:
    url = sign(alice, f"{FRONT}/;UID=1/;SECTION=1;EXPIRE={expires};URLAUTH=anonymous")
    assert (fetched(alice, url) == "NIL") is is_over
    assert fetched(alice, url.replace("2020", "2999").replace("2999", "2998")) == "NIL"


def test_a_url_for_a_user_or_for_a_submission() -> None:
    with closing(Imap(submission_logins="postman@example.test, other@example.test")) as imap:
        alice, postman = imap.client(), imap.client("postman")
        alice.append(NESTED)
        mine = sign(alice, f"{FRONT}/;UID=1/;SECTION=1;URLAUTH=user+Alice%40example.test")
        sent = sign(alice, f"{FRONT}/;UID=1/;SECTION=1;URLAUTH=submit+alice%40example.test")
        assert fetched(alice, mine) != "NIL"
        assert fetched(alice, sent) == "NIL"
        # In memory nobody knows of others: that the signer is one of them is asked on the real store.
        assert fetched(postman, mine) == "NIL"
        assert (
            fetched(postman, sign(postman, sent.split(":internal")[0].replace("alice", "postman"))) == "NIL"
        )
        postman.append(NESTED)
        rump = sent.split(":internal")[0].replace("alice", "postman")
        assert fetched(postman, sign(postman, rump)) != "NIL"


@pytest.mark.parametrize(
    "rump",
    [
        "/INBOX/;UID=1;URLAUTH=anonymous",
        "imap://localhost/INBOX/;UID=1;URLAUTH=anonymous",
        "imap://alice%40example.test@elsewhere.test/INBOX/;UID=1;URLAUTH=anonymous",
        f"{FRONT};URLAUTH=anonymous",
        f"{FRONT}?SUBJECT%20x;URLAUTH=anonymous",
        f"{FRONT}/;UID=1",
        f"{FRONT}/;UID=1;URLAUTH=everybody",
        f"{FRONT}/;UID=1;URLAUTH=user+",
        f"{FRONT}/;UID=1;URLAUTH=anonymous+x",
        f"{FRONT}/;UID=1;URLAUTH=submit+%FF",
        f"{FRONT}/;UID=1;URLAUTH=user+nobody%40example.test",
        f"{FRONT}/;UID=1;EXPIRE=2026-13-02T03:04:05Z;URLAUTH=anonymous",
        f"{FRONT}/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous",
        f"{FRONT};UIDVALIDITY=7/;UID=1;URLAUTH=anonymous",
        f"{FRONT}/;UID=1;URLAUTH=anonymous:internal:{'00' * 33}",
        f"{FRONT}/;UID=1;URLAUTH=anonymous x",
        "imap://alice%40example.test@localhost/Nowhere/;UID=1;URLAUTH=anonymous",
        "imap://alice%40example.test@localhost/a//b/;UID=1;URLAUTH=anonymous",
        "imap://alice%40example.test@localhost/Other%20Users/bob%40example.test/INBOX/;UID=1;URLAUTH=anonymous",
        "imap://bob%40example.test@localhost/INBOX/;UID=1;URLAUTH=anonymous",
    ],
)
def test_what_is_not_signed(alice: Client, rump: str) -> None:
    good = f"{FRONT}/;UID=1;URLAUTH=anonymous"
    for command in (f'GENURLAUTH "{rump}" INTERNAL', f'GENURLAUTH "{good}" internal "{rump}" INTERNAL'):
        assert alice.say(command) == ["BAD That is no URL of yours that can be signed"]


def test_several_at_once(alice: Client) -> None:
    rumps = [f"{FRONT}/;UID=1/;SECTION={n};URLAUTH=anonymous" for n in (1, 2)]
    said = alice.say(f'GENURLAUTH "{rumps[0]}" INTERNAL "{rumps[1]}" internal')[0]
    urls = re.findall('"([^"]*)"', said)
    assert [url.split(":internal:")[0] for url in urls] == rumps
    assert alice.say(f'URLFETCH "{urls[1]}" nothing "{urls[0]}"') == [
        f'* URLFETCH "{urls[1]}" "AAEC"',
        '* URLFETCH "nothing" NIL',
        f'* URLFETCH "{urls[0]}" {{11}}',
        "a=",
        "b=0A=63",
        "OK URLFETCH completed",
    ]


def test_a_new_key_ends_what_was_signed_and_no_other(alice: Client) -> None:
    alice.append(NESTED, "Sent")
    here = f"{FRONT}/;UID=1/;SECTION=2;URLAUTH=anonymous"
    there = here.replace("INBOX", "Sent")
    first, other = sign(alice, here), sign(alice, there)
    assert sign(alice, here) == first
    assert alice.say("RESETKEY inbox") == ["OK [URLMECH INTERNAL] RESETKEY completed"]
    assert fetched(alice, first) == "NIL"
    second = sign(alice, here)
    assert (fetched(alice, second), fetched(alice, other)) == ("AAEC", "AAEC")
    assert alice.say("RESETKEY") == ["OK RESETKEY completed"]
    assert (fetched(alice, second), fetched(alice, other)) == ("NIL", "NIL")
    assert fetched(alice, sign(alice, here)) == "AAEC"


def test_a_url_does_not_outlive_its_message_or_its_mailbox(alice: Client) -> None:
    alice.say("CREATE Box")
    alice.append(NESTED, "Box")
    rump = f"{FRONT}/;UID=1/;SECTION=2;URLAUTH=anonymous".replace("INBOX", "Box")
    url = sign(alice, rump)
    assert fetched(alice, url) == "AAEC"
    alice.say("RENAME Box Other")
    assert fetched(alice, url) == "NIL"
    alice.say("CREATE Box")
    alice.append(NESTED, "Box")
    assert fetched(alice, url) == "NIL", "another mailbox has another key"
    alice.say("DELETE Box")
    alice.say("RENAME Other Box")
    assert fetched(alice, url) == "AAEC"
    alice.say("SELECT Box")
    alice.say("STORE 1 +FLAGS (\\Deleted)")
    alice.say("EXPUNGE")
    assert fetched(alice, url) == "NIL"


def test_a_long_part_passes_through(alice: Client) -> None:
    alice.append("Subject: long\n\n" + "x" * 79 + "\n" * 1 + ("y" * 78 + "\n") * 9000)
    for place, octets in (("TEXT", 79 + 2 + 9000 * 80), ("TEXT/;PARTIAL=10.600000", 600_000)):
        assert (
            len(fetched(alice, sign(alice, f"{FRONT}/;UID=2/;SECTION={place};URLAUTH=anonymous"))) == octets
        )


def test_catenate_takes_them(alice: Client) -> None:
    url = sign(alice, f"{FRONT}/;UID=1/;SECTION=2;URLAUTH=anonymous")
    assert alice.say(f'APPEND Sent CATENATE (URL "{url}" TEXT {{1+}}\r\nx)')[-1].startswith("OK")
    altered = url[:-1] + ("0" if url[-1] != "0" else "1")
    for bad in (altered, "imap://bob%40example.test@localhost/INBOX/;UID=1"):
        said = alice.say(f'APPEND Sent CATENATE (URL "{bad}")')[-1]
        assert said == f'NO [BADURL "{bad}"] What the URL names is not there'
    assert "BODY[] {5}" in alice.say("EXAMINE Sent")[-1] + alice.say("FETCH 1 BODY.PEEK[]")[0]


def extended(client: Client, section: str, items: str) -> str:
    url = sign(client, f"{FRONT}/;UID=1{section};URLAUTH=anonymous")
    said = client.raw(f'URLFETCH ("{url}" {items})').decode()
    return said.removeprefix(f'* URLFETCH "{url}" ').removesuffix("\r\nx OK URLFETCH completed\r\n")


def test_what_rfc_5524_adds(alice: Client) -> None:
    assert extended(alice, "/;SECTION=1", "BODY") == "(BODY {11}\r\na=\r\nb=0A=63)"
    assert extended(alice, "/;SECTION=1", "BINARY") == "(BINARY {6}\r\nab\r\nc)".replace("{6}", "{5}")
    assert extended(alice, "/;SECTION=1/;PARTIAL=1.3", "BINARY") == "(BINARY {3}\r\nb\r\n)"
    assert extended(alice, "/;SECTION=2", "BINARY BODYPARTSTRUCTURE") == (
        '(BINARY ~{3}\r\n\0\1\2) (BODYPARTSTRUCTURE ("IMAGE" "PNG" NIL NIL NIL "BINARY" 3 NIL NIL NIL NIL))'
    )
    assert extended(alice, "/;SECTION=2", "BODYPARTSTRUCTURE") == (
        '(BODYPARTSTRUCTURE ("IMAGE" "PNG" NIL NIL NIL "BASE64" 4 NIL NIL NIL NIL))'
    )
    text = extended(alice, "/;SECTION=1", "BODYPARTSTRUCTURE BINARY")
    assert ' "BINARY" 5 1 NIL' in text
    # Of what is no part the octets are what they are; an encoding that is not known gives NIL.
    assert extended(alice, "/;SECTION=HEADER/;PARTIAL=0.7", "BINARY") == '(BINARY "Subject")'
    assert extended(alice, "/;SECTION=4", "BINARY") == "(BINARY NIL)"
    assert '"X-OWN" 6' in extended(alice, "/;SECTION=4", "BODYPARTSTRUCTURE BINARY")
    assert extended(alice, "/;SECTION=9", "BODYPARTSTRUCTURE") == "NIL"
    assert extended(alice, "/;SECTION=9", "BINARY") == "NIL"
    whole = alice.say("EXAMINE INBOX") and alice.say("FETCH 1 BODYSTRUCTURE")[0]
    assert extended(alice, "", "BODYPARTSTRUCTURE")[len("(BODYPARTSTRUCTURE ") : -1] in whole


@pytest.mark.parametrize(
    "command",
    [
        *(
            "URLFETCH",
            "URLFETCH ()",
            "URLFETCH (x BODY BODY)",
            "URLFETCH (x BODY BINARY)",
            "URLFETCH (x OTHER)",
        ),
        *(
            "GENURLAUTH",
            "GENURLAUTH x",
            "GENURLAUTH x (",
            "RESETKEY INBOX (",
            "RESETKEY ",
            "URLFETCH {1+}\r\n\0",
        ),
        *("URLFETCH " + "x " * 101, "GENURLAUTH " + "x INTERNAL " * 101),
    ],
)
def test_what_is_no_such_command(alice: Client, command: str) -> None:
    assert alice.say(command.rstrip(" ") if "x " in command else command)[-1].startswith("BAD")


def test_an_odd_url_is_repeated_as_it_was_written(alice: Client) -> None:
    said = alice.raw('URLFETCH {7+}\r\na"\r\n\\ä'.encode())
    assert said == '* URLFETCH {7}\r\na"\r\n\\ä NIL\r\nx OK URLFETCH completed\r\n'.encode()


def test_structures_of_parts() -> None:
    whole = examine(NESTED.replace("\n", "\r\n").encode()).bodystructure
    for part, kind in {
        (): b'(("TEXT" "PLAIN"',
        (1,): b'("TEXT" "PLAIN"',
        (2,): b'("IMAGE" "PNG"',
        (3,): b'("MESSAGE" "RFC822"',
        (3, 1): b'("TEXT" "PLAIN"',
        (3, 2): b'("TEXT" "HTML"',
        (4,): b'("TEXT" "PLAIN"',
    }.items():
        found = structure_of(whole, part)
        assert found is not None
        assert found.startswith(kind)
        assert found in whole
    for part in ((5,), (1, 1), (2, 1), (3, 3), (3, 1, 1)):
        assert structure_of(whole, part) is None
    single = examine(b"Subject: x\r\n\r\nx\r\n").bodystructure
    assert structure_of(single, (1,)) == single
    assert structure_of(single, (2,)) is None
    assert structure_of(single, (1, 1)) is None
    odd = b'(("TEXT" "PLAIN" ("NAME" {5}\r\n(")\r\n) NIL NIL "7BIT" 1 1)("A" "\\")" NIL) "MIXED")'
    assert structure_of(odd, (2,)) == b'("A" "\\")" NIL)'


def test_what_is_signed() -> None:
    rump = f"{FRONT}/;UID=1;EXPIRE=2999-01-02T03:04:05Z;URLAUTH=user+Bob%40example.test"
    whole = signed(rump, b"k" * 32)
    access = parse_access(whole, parse_url(whole))
    assert (access.rump, access.mechanism, access.grantee) == (rump, "INTERNAL", Grantee.USER)
    assert (access.name, access.expires is not None) == ("Bob@example.test", True)
    assert is_signed(access.rump, access.token, b"k" * 32)
    assert not is_signed(access.rump, access.token, b"l" * 32)
    assert not is_signed(access.rump + "x", access.token, b"k" * 32)
    assert not is_signed(access.rump, b"", b"k" * 32)
    assert parse_access(rump, parse_url(rump)).mechanism == ""
    with pytest.raises(UrlInvalid):
        parse_access(FRONT + "/;UID=1", parse_url(FRONT + "/;UID=1"))
