"""The golden dialogues against the gateway's session in memory."""

from pathlib import Path
from typing import Any

import pytest
from mailproto.smtp.server_commands import PARSERS
from smtp_gateway.core.roles import Role

from tests.support.dialogue import Who, load, play
from tests.support.fake_gateway import converse

HERE = Path(__file__).parent
DIALOGUES = sorted(HERE.glob("*.txt"))
ROLES = {"submission": Role.MSA, "lmtp": Role.LMTP}
# Settings by the first word of a dialogue's name.
SETTINGS: dict[str, dict[str, object]] = {
    "proxy": {"proxy_networks": ("127.0.0.0/8",)},
    "xclient": {"xclient_networks": ("127.0.0.1",)},
    "submissions": {"in_tls": True},
    "submissions_oauth": {"in_tls": True, "oauth": "on"},
    "mxtls": {"in_tls": True},
}


@pytest.mark.parametrize("path", DIALOGUES, ids=[path.stem for path in DIALOGUES])
def test_dialogue(path: Path) -> None:
    dialogue = load(path)
    role = next((role for word, role in ROLES.items() if path.stem.startswith(word)), Role.MX)
    settings: dict[str, Any] = SETTINGS.get(path.stem.partition("-")[0], {})
    sent: list[bytes] = []

    def exchange(data: bytes) -> bytes:
        """The session is played from its start each time; what is new is what it says to the last octets."""
        before = len(converse(role, sent, **settings)[0]) if sent or data else 0
        if data:
            sent.append(data)
        return converse(role, sent, **settings)[0][before:]

    play(dialogue, exchange)
    assert any(line.who is Who.CLIENT for line in dialogue.lines)


@pytest.mark.parametrize("door", ["", "submission-", "lmtp-"])
@pytest.mark.parametrize("state", ["start", "greeted", "mail", "rcpt", "chunks"])
def test_every_command_is_said_in_every_state(door: str, state: str) -> None:
    lines = load(HERE / f"{door}commands-{state}.txt").lines
    said = {line.text.partition(" ")[0].upper().encode() for line in lines if line.who is Who.CLIENT}
    assert PARSERS.keys() - said == set()


def test_what_appendix_d1_accepted_is_what_was_typed() -> None:
    typed = b"".join(
        line.text.encode() + b"\r\n"
        for line in load(HERE / "rfc5321-appendix-d1.txt").lines
        if line.who is Who.CLIENT
    )
    said, gate, _ = converse(Role.MX, [part + b"\r\n" for part in typed.split(b"\r\n")[:-1]])
    [letter] = gate.letters
    assert letter.reverse_path == "Smith@bar.com"
    assert [recipient.address for recipient in letter.recipients] == ["jones@foo.com", "brown@foo.com"]
    assert letter.content == b"Blah blah blah...\r\n..etc. etc. etc.\r\n"
    assert said.endswith(b"closes the connection\r\n")
