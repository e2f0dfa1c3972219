"""Programs are remembered by what they were made of, whoever's they are, and not without end."""

from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mailmodel import AccountRef
from mailstore import ActiveScripts
from mda.edge import running
from mda.edge.running import Running
from sieve import Stage

HARMLESS = b'require "fileinto";\r\nfileinto "Archive";\r\n'
EVIL = b'redirect "eve@far.test";\r\n'
ALICE, EVE = AccountRef("tenant-a", "alice"), AccountRef("tenant-e", "eve")


def digests(content: bytes) -> ActiveScripts:
    return ActiveScripts(own=sha256(content).digest(), before=None, after=None)


class Scripts:
    """By account."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents
        self.read: list[str] = []

    async def active(self, account: AccountRef) -> bytes:
        self.read.append(account.account_id)
        return self.contents[account.account_id]


def running_of(scripts: Scripts) -> Running:
    return Running(cast(Any, SimpleNamespace(scripts=scripts)), cast(Any, None), cast(Any, None))


async def test_a_script_that_changes_while_it_is_read_takes_no_others_place() -> None:
    """Everybody who has the same words has one program: it must be made of these, not of what came after them."""
    scripts = Scripts(alice=HARMLESS, eve=EVIL)
    kept = running_of(scripts)
    # Eve had Alice's words when it was looked which script is active, and others when it was read.
    [evil] = await kept.stages(EVE, digests(HARMLESS))
    [hers] = await kept.stages(ALICE, digests(HARMLESS))
    assert "fileinto" in hers.program.features
    assert "fileinto" not in evil.program.features
    [again] = await kept.stages(EVE, digests(EVIL))
    assert again.program is evil.program
    assert scripts.read == ["eve", "alice"]


async def test_large_scripts_are_not_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PROGRAMS_KEPT_OCTETS", 1000)
    contents = {f"a{n}": b"keep; # " + b"x" * 280 + b"%d\r\n" % n for n in range(6)}
    scripts = Scripts(**contents)
    kept = running_of(scripts)

    async def stage(name: str) -> Stage:
        [found] = await kept.stages(AccountRef("t", name), digests(contents[name]))
        return found

    for name in contents:
        await stage(name)
    scripts.read.clear()
    for name in ("a5", "a4", "a3"):
        await stage(name)
    assert scripts.read == []
    await stage("a0")
    assert scripts.read == ["a0"]
    await stage("a5")
    assert scripts.read == ["a0", "a5"]
    # One that is larger than all may be is kept all the same, alone.
    contents["huge"] = scripts.contents["huge"] = b"keep; # " + b"x" * 2000
    await stage("huge")
    await stage("huge")
    assert scripts.read == ["a0", "a5", "huge"]
