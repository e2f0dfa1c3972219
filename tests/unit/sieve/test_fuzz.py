"""No script and no message does more than fail: ScriptError when compiled, an error and an implicit keep when run."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from sieve import DEFAULT_LIMITS, DELIVERY, Limits, Received, ScriptError, compile_script, run
from sieve.actions import Keep
from sieve.capabilities import IMAP_EVENTS

from tests.support.sieve_cases import MESSAGES, World, situation

REQUIRE = "require [" + ", ".join(f'"{name}"' for name in sorted(DELIVERY)) + "];\r\n"
_TESTS = [
    "true",
    "false",
    "not %t",
    "allof(%t,%t)",
    "anyof(%t,%t)",
    "header %m %s %s",
    "header :mime :anychild :param %s %m %s %s",
    'address %m :detail "to" %s',
    'address :domain %m ["from","cc"] %s',
    'envelope %m "from" %s',
    "exists %s",
    "size :over %n",
    "string %m %s %s",
    "hasflag %m %s",
    "body %m :content %s %s",
    "body %m :raw %s",
    "body %m %s",
    'date %m "date" "iso8601" %s',
    'date :zone "+0900" %m "received" "std11" %s',
    'currentdate %m "weekday" %s',
    "environment %m %s %s",
    "mailboxexists %s",
    "metadata %m %s %s %s",
    "duplicate :uniqueid %s",
    'spamtest %m "1"',
    'virustest %m "1"',
    "valid_notify_method %s",
    "ihave %s",
    "specialuse_exists %s %s",
    "header :index %n :last %m %s %s",
]
_COMMANDS = [
    "keep",
    "discard",
    "stop",
    "fileinto %q",
    "fileinto :copy :create :flags %q %q",
    "redirect :copy %q",
    'redirect "a@example.com"',
    "reject %q",
    "ereject %q",
    "vacation :subject %q %q",
    "vacation :mime :seconds %n %q",
    'notify :message %q "mailto:a@example.com?subject=b"',
    "notify %q",
    'set "v" %q',
    'set :upper :quotewildcard "w" %q',
    'set :length "w" %q',
    'set :quoteregex "v" %q',
    "setflag %q",
    'addflag "v" %q',
    "removeflag %q",
    'addheader "X" %q',
    "addheader :last %q %q",
    "deleteheader %m %q %q",
    'deleteheader :index %n "X"',
    "include %q",
    "replace %q",
    "replace :mime :subject %q %q",
    "enclose %q",
    "error %q",
    "return",
    'global "g"',
    'set "global.g" %q',
]
_BLOCKS = (
    "if %t { %c } elsif %t { %c } else { %c }",
    "foreverypart { %c %c }",
    'foreverypart :name "l" { %c if %t { break; } extracttext "v"; %c }',
)
_MATCHES = (
    ":is",
    ":contains",
    ":matches",
    ":regex",
    ':value "gt"',
    ':count "ge"',
    ":list",
    ':comparator "i;octet"',
    "",
)
_STRINGS = (
    '""', '"*"', '"?*a"', '"${1}"', '"${v}${w}"', '"coyote@desert.example.org"', '"subject"', '"(a|b)*c"', '"[^x]+$"',
    '["a", "b${0}"]', '"\\\\Seen"', '"Content-Type: text/html\r\n\r\nx"', '"${unicode:fc}${hex: 0d 0a 00 ff}"', '"1"',
)  # fmt: skip
_NAMES = ('"a"', '"a@example.com"', '"${v}"', '"X"')
_HEADER = b"Received: x; Wed, 7 Dec 2005 05:08:02 -0500\r\nX: 1\r\nX: =?utf-8?q?=00=0D=0A?=\r\nTo: a+b@c.example\r\n"
HOSTILE = (
    b"",
    b"\r\n",
    b"\xff\xfe\x00",
    _HEADER + b"\r\n",
    _HEADER
    + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nabc\r\n--x\r\nContent-Type: message/rfc822\r\n"
    b"\r\nX: inner\r\n\r\n\xe4\r\n--x--\r\nend",
    _HEADER
    + b'Content-Type: text/html; charset="=?"\r\nContent-Transfer-Encoding: base64\r\n\r\n====PGI+\xff',
    b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n--",
)


def _fill(pattern: str, choose: random.Random, depth: int) -> str:
    pieces: list[str] = []
    for number, piece in enumerate(pattern.split("%")):
        if not number:
            pieces.append(piece)
            continue
        pieces.append(_hole(piece[0], choose, depth) + piece[1:])
    return "".join(pieces)


def _hole(kind: str, choose: random.Random, depth: int) -> str:
    if kind == "s":
        return choose.choice(_STRINGS)
    if kind == "q":
        return choose.choice([*_NAMES, *_NAMES, *(string for string in _STRINGS if string[0] != "[")])
    if kind == "n":
        return choose.choice(("0", "1", "2", "1K", "2147483647"))
    if kind == "m":
        return choose.choice(_MATCHES)
    if kind == "t":
        return _fill(choose.choice(_TESTS if depth < 4 else _TESTS[:1]), choose, depth + 1)
    if depth < 4 and choose.random() < 0.3:
        return _fill(choose.choice(_BLOCKS), choose, depth + 1)
    return _fill(choose.choice(_COMMANDS), choose, depth + 1) + ";"


def script_of(choose: random.Random, most: int = 8) -> str:
    """Commands made of correct pieces, fewer than `most`."""
    return "\r\n".join(_fill("%c", choose, 0) for _ in range(choose.randrange(1, most)))


def check_compile(source: bytes) -> ScriptError | None:
    """A script is one, or says in which of its lines it is none."""
    try:
        compile_script(source)
    except ScriptError as found:
        error = found
    else:
        return None
    assert 1 <= error.place.line <= source.count(b"\n") + 2
    assert error.reason
    return error


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_octets(source: bytes) -> None:
    check_compile(source)


_WORDS = st.sampled_from(
    [
        "if",
        "elsif",
        "else",
        "true",
        "not",
        "allof",
        "keep",
        "header",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        '"a"',
        "text:\r\n.\r\n",
        ":is",
        "5",
        "10K",
        "#c\r\n",
        "/*x*/",
        "foreverypart",
        "set",
        "size",
        ":over",
    ]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(_WORDS, max_size=40))
def test_words(words: list[str]) -> None:
    check_compile((REQUIRE + " ".join(words)).encode())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(min_value=0, max_value=2**32), st.sampled_from([*HOSTILE, MESSAGES["A"].encode()]))
def test_running(seed: int, content: bytes) -> None:
    check_run(seed, content, DEFAULT_LIMITS)


def check_run(seed: int, content: bytes, limits: Limits) -> None:
    """A script made of correct pieces, over a message: it may fail, but as it should."""
    choose = random.Random(seed)
    script = REQUIRE + script_of(choose)
    try:
        program = compile_script(script.encode(), limits=limits)
    except ScriptError:
        return
    world = World(
        {"list": ["a b"], "mailbox": ["a"]}, {"personal/a": "keep;", "personal/1": script}, DELIVERY
    )
    outcome = run(program, Received.from_octets(content), situation({}), world)
    if outcome.error is not None:
        assert outcome.actions == (Keep(outcome.actions[0].place),)
        assert outcome.actions[0].place.line == 0
        assert outcome.error.reason
    assert len(outcome.actions) <= limits.actions + 1
    assert outcome.steps <= limits.steps + 200_000


def test_capabilities_can_be_required() -> None:
    for capabilities in (DELIVERY, IMAP_EVENTS):
        script = "require [" + ", ".join(f'"{name}"' for name in sorted(capabilities)) + "];"
        assert compile_script(script.encode(), available=capabilities).required >= capabilities
