"""SCRAM-SHA-256: the example of RFC 7677, a client of our own against the server, and everything that is refused."""

import base64
import hashlib
import hmac
from typing import TypedDict, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.sasl.saslprep import NotPrepared, Use, saslprep
from mailproto.sasl.scram import (
    MECHANISM,
    MECHANISM_PLUS,
    ChannelBinding,
    Granted,
    LoginAsked,
    Refused,
    ScramFault,
    ScramServer,
    decoy,
    derive,
)

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PENCIL = derive("pencil", SALT, 4096)
NO_BINDING = ChannelBinding()
BOUND = ChannelBinding({"tls-exporter": b"\x01" * 32, "tls-server-end-point": b"\x02" * 32})


def begun(mechanism: bytes = MECHANISM, binding: ChannelBinding = NO_BINDING) -> ScramServer:
    return ScramServer(mechanism, SERVER_NONCE, binding)


def test_the_example_of_rfc_7677() -> None:
    server = begun()
    assert server.first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == LoginAsked("user")
    assert server.challenge(PENCIL) == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert server.final(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    ) == Granted(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


class Changes(TypedDict, total=False):
    """Attributes of a client's last message, and what follows the nonce in it."""

    c: str
    r: str
    p: str
    extension: str


def exchange(
    server: ScramServer,
    password: str,
    gs2: str = "n,,",
    cbind: bytes = b"",
    login: str = "user",
    **changes: Unpack[Changes],
) -> Granted | Refused:
    """What a client of our own says, with parts of its last message changed."""
    bare = f"n={login},r={CLIENT_NONCE}"
    asked = server.first((gs2 + bare).encode())
    if isinstance(asked, Refused):
        return asked
    challenge = server.challenge(PENCIL).decode()
    nonce = challenge.split(",")[0]
    c = changes.get("c", base64.b64encode(gs2.encode() + cbind).decode())
    final = f"c={c},{changes.get('r', nonce)}{changes.get('extension', '')}"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, 4096)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(
        hashlib.sha256(client_key).digest(), f"{bare},{challenge},{final}".encode(), "sha256"
    )
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
    return server.final(f"{final},p={changes.get('p', proof)}".encode())


def test_right_and_wrong() -> None:
    assert isinstance(exchange(begun(), "pencil"), Granted)
    assert exchange(begun(), "pencils") == Refused(ScramFault.PROOF)
    assert exchange(begun(), "pencil", extension=",x=unknown-and-optional").__class__ is Granted
    assert exchange(begun(), "pencil", login="us=2Cer=3D").__class__ is Granted
    assert exchange(begun(), "pencil", gs2="n,a=user,").__class__ is Granted


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"r": "r=" + CLIENT_NONCE + "other"}, ScramFault.OTHER),
        ({"r": "r=" + CLIENT_NONCE}, ScramFault.OTHER),
        ({"r": "n=x"}, ScramFault.OTHER),
        ({"c": "eSws"}, ScramFault.BINDING_DIFFERS),
        ({"c": "===="}, ScramFault.ENCODING),
        ({"c": ""}, ScramFault.ENCODING),
        ({"p": "AAAA"}, ScramFault.ENCODING),
        ({"p": ""}, ScramFault.ENCODING),
        ({"p": "A" * 43 + "="}, ScramFault.PROOF),
        ({"extension": ",m=must"}, ScramFault.EXTENSION),
        ({"extension": ",,"}, ScramFault.ENCODING),
    ],
)
def test_what_is_wrong_with_a_last_message(changes: Changes, fault: ScramFault) -> None:
    assert exchange(begun(), "pencil", **changes) == Refused(fault)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"", ScramFault.ENCODING),
        (b"n,,", ScramFault.ENCODING),
        (b"n,,n=user", ScramFault.ENCODING),
        (b"n,,r=abc,n=user", ScramFault.ENCODING),
        (b"n,,n=user,r=", ScramFault.ENCODING),
        (b"n,,n=user,r=a b\x7f", ScramFault.ENCODING),
        (b"x,,n=user,r=abc", ScramFault.ENCODING),
        (b"n,,m=ext,n=user,r=abc", ScramFault.EXTENSION),
        (b"n,,n=us=er,r=abc", ScramFault.NAME_ENCODING),
        (b"n,,n=,r=abc", ScramFault.NAME_ENCODING),
        (b"n,,n=us\x00er,r=abc", ScramFault.ENCODING),
        ("n,,n=us\u0007er,r=abc".encode(), ScramFault.NAME_ENCODING),
        (b"n,a=other,n=user,r=abc", ScramFault.OTHER),
        (b"n,user,n=user,r=abc", ScramFault.OTHER),
        (b"n,,n=\xff,r=abc", ScramFault.ENCODING),
        (b"p=tls-exporter,,n=user,r=abc", ScramFault.BINDING_UNSUPPORTED),
        (b"n,,n=user,r=" + b"a" * 5000, ScramFault.ENCODING),
    ],
)
def test_what_is_wrong_with_a_first_message(message: bytes, fault: ScramFault) -> None:
    assert begun().first(message) == Refused(fault)
    assert Refused(fault).message == b"e=" + fault.value.encode()


@pytest.mark.parametrize("kind", list(BOUND.data))
def test_channel_binding(kind: str) -> None:
    data = BOUND.data[kind]
    gs2 = f"p={kind},,"
    assert isinstance(exchange(begun(MECHANISM_PLUS, BOUND), "pencil", gs2, data), Granted)
    # Somebody in the middle has another connection.
    assert exchange(begun(MECHANISM_PLUS, BOUND), "pencil", gs2, b"\x03" * 32) == Refused(
        ScramFault.BINDING_DIFFERS
    )
    assert exchange(begun(MECHANISM_PLUS, BOUND), "pencil", gs2, b"") == Refused(ScramFault.BINDING_DIFFERS)


def test_channel_binding_is_not_talked_away() -> None:
    # The client would have bound, and was told that nobody does: the list of mechanisms was changed on the way.
    assert exchange(begun(MECHANISM, BOUND), "pencil", "y,,") == Refused(ScramFault.DOWNGRADED)
    assert isinstance(exchange(begun(MECHANISM, NO_BINDING), "pencil", "y,,"), Granted)
    assert isinstance(exchange(begun(MECHANISM, BOUND), "pencil", "n,,"), Granted)
    assert exchange(begun(MECHANISM_PLUS, BOUND), "pencil", "n,,") == Refused(ScramFault.BINDING_DIFFERS)
    assert exchange(begun(MECHANISM_PLUS, BOUND), "pencil", "p=tls-unique,,") == Refused(
        ScramFault.BINDING_UNKNOWN
    )


def test_who_does_not_exist_looks_like_who_does() -> None:
    one, again, other = decoy("x", b"secret", 4096), decoy("x", b"secret", 4096), decoy("y", b"secret", 4096)
    assert one == again
    assert one.salt != other.salt
    assert len(one.salt) == 16
    assert len(one.stored_key) == len(PENCIL.stored_key)
    server = begun()
    server.first(b"n,,n=nobody,r=abc")
    server.challenge(one)
    assert server.final(b"c=biws,r=abc" + SERVER_NONCE.encode() + b",p=" + b"A" * 43 + b"=") == Refused(
        ScramFault.PROOF
    )


def test_cheap_verifiers_are_not_made() -> None:
    with pytest.raises(ValueError):
        derive("pencil", SALT, 4095)


def test_nothing_secret_is_shown() -> None:
    assert "stored_key" not in repr(PENCIL)
    assert "server_key" not in repr(PENCIL)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.binary(max_size=120))
def test_any_octets_are_refused(first: bytes, final: bytes) -> None:
    server = begun()
    server.first(b"n,," + first)
    server.first(b"n,,n=user,r=abc")
    server.challenge(PENCIL)
    assert isinstance(server.final(final), Refused)


# The examples of RFC 4013 §3.
@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
    ],
)
def test_saslprep(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\ue000", "\u200e", "a\u0627"])
def test_what_saslprep_refuses(text: str) -> None:
    with pytest.raises(NotPrepared):
        saslprep(text)


def test_what_is_kept_holds_nothing_that_may_change_its_form() -> None:
    assert saslprep("\u0221") == "\u0221"
    with pytest.raises(NotPrepared):
        saslprep("\u0221", Use.STORED)
    with pytest.raises(NotPrepared):
        derive("\u0221", SALT, 4096)
