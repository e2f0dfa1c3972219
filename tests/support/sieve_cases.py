"""Golden cases of Sieve: a script, a message, and the actions that must come of it, in a text file.

    == what the case is about
    -- script
    if true { discard; }
    -- message          (left out: message A of RFC 5228 §1.2; a name of `MESSAGES` stands for that message)
    -- situation        (left out: `from: coyote@desert.example.org`, `to: roadrunner@acme.example.com`)
    from: <reverse-path>
    mailbox: Archive    (exists)
    -- expect
    1: discard

Each expected line is a line of the script, a colon, and the action. `0:` is the implicit keep, `!2: text` an error in
line 2 of a run, `compile 2: text` of a script that can't be run; of an error the beginning is enough. `effect` lines
are compared where a case has any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sieve import DELIVERY, IMAP_EVENTS, Program, Received, ScriptError, Situation, compile_script, run
from sieve.actions import (
    Action,
    Discard,
    Edition,
    Effect,
    FileCopy,
    FileInto,
    FlagsSet,
    HeaderAdded,
    HeaderDeleted,
    Keep,
    MessageEnclosed,
    Notify,
    NotSent,
    PartReplaced,
    Redirect,
    RedirectToList,
    Reject,
    Target,
    Vacation,
)
from sieve.scripts import ScriptNamed
from sieve.world import (
    ListContains,
    ListExists,
    MailboxExists,
    MailboxIdExists,
    Metadata,
    SeenBefore,
    SpecialUseExists,
    YesOrNo,
)

NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)

_A = """Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)
From: coyote@desert.example.org
To: roadrunner@acme.example.com
Subject: I have a present for you

Look, I'm sorry about the whole anvil thing.
--
Wile E. Coyote   "Super Genius"   coyote@desert.example.org
"""
_B = """From: youcouldberich!@reply-by-postal-mail.invalid
Sender: b1ff@de.res.example.com
To: rube@landru.example.com
Date:  Mon, 31 Mar 1997 18:26:10 -0800
Subject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$

YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS, BUT I DOUBT IT!
"""
MESSAGES = {"A": _A, "B": _B}


@dataclass(slots=True)
class Case:
    """One case of a file."""

    name: str
    sections: dict[str, str] = field(default_factory=dict)


def load(folder: Path) -> list[Case]:
    """All cases of all files."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.txt")):
        for chunk in re.split(r"^== ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            name, _, rest = chunk.partition("\n")
            case = Case(f"{path.stem}: {name.strip()}")
            pieces = re.split(
                r"^-- (script|message|situation|expect|include \S+)[ \t]*(.*)\n", rest, flags=re.MULTILINE
            )
            for kind, inline, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
                case.sections[kind] = MESSAGES[inline.strip()] if inline.strip() else text
            cases.append(case)
    return cases


@dataclass(slots=True)
class World:
    """What the situation section says about mailboxes, lists and the like."""

    facts: dict[str, list[str]]
    scripts: dict[str, str]
    available: frozenset[str]

    def is_so(self, question: YesOrNo) -> bool:
        facts = self.facts
        match question:
            case MailboxExists(name):
                return name in facts.get("mailbox", [])
            case MailboxIdExists(mailbox_id):
                return mailbox_id in facts.get("mailboxid", [])
            case SpecialUseExists(mailbox, attribute):
                return f"{mailbox or 'any'} {attribute}" in facts.get("specialuse", [])
            case SeenBefore(handle, unique_id, seconds):
                return (
                    f"{handle or '-'} {unique_id.decode(errors='replace')}" in facts.get("seen", [])
                    and seconds > 0
                )
            case ListExists(name):
                return any(fact.split()[0] == name for fact in facts.get("list", []))
            case ListContains(name, value):
                return f"{name} {value}" in facts.get("list", [])

    def metadata(self, question: Metadata) -> str | None:
        for fact in self.facts.get("metadata", []):
            mailbox, entry, value = fact.split(" ", 2)
            if (question.mailbox or "-", question.entry) == (mailbox, entry):
                return value
        return None

    def script(self, question: ScriptNamed) -> Program | None:
        source = self.scripts.get(f"{question.location.value}/{question.name}")
        return None if source is None else compile_script(source.encode(), available=self.available)


def play(case: Case) -> list[str]:
    """What comes of a case, as lines."""
    facts: dict[str, list[str]] = {}
    for line in case.sections.get("situation", "").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), []).append(value.strip())
    available = IMAP_EVENTS if "imap" in facts else DELIVERY
    source = case.sections["script"].encode("utf-8")
    try:
        program = compile_script(source, available=available)
    except ScriptError as error:
        return [f"compile {error.place.line}: {error.reason}"]
    scripts = {
        kind.removeprefix("include "): text
        for kind, text in case.sections.items()
        if kind.startswith("include ")
    }
    content = case.sections.get("message", _A).replace("\n", "\r\n").encode("utf-8")
    outcome = run(program, Received.from_octets(content), situation(facts), World(facts, scripts, available))
    lines = [_shown(action.place.line, action.place.script, _action(action)) for action in outcome.actions]
    if outcome.error is not None:
        lines.append("!" + _shown(outcome.error.place.line, outcome.error.place.script, outcome.error.reason))
    lines += [
        "effect " + _shown(effect.place.line, effect.place.script, _effect(effect))
        for effect in outcome.effects
    ]
    lines += [
        f"track {track.handle or '-'} {track.unique_id.decode(errors='replace')} {track.seconds}{' last' if track.extends else ''}"
        for track in outcome.tracks
    ]
    return lines


def situation(facts: dict[str, list[str]]) -> Situation:
    """The situation that a case describes."""

    def fact(key: str, default: str) -> str:
        return facts.get(key, [default])[0]

    return Situation(
        reverse_path=fact("from", "coyote@desert.example.org").replace("<>", ""),
        forward_path=fact("to", "roadrunner@acme.example.com"),
        now=datetime.fromisoformat(fact("now", NOW.isoformat())),
        own_addresses=frozenset(facts.get("own", [])),
        zone=timezone(timedelta(minutes=int(fact("zone", "0")))),
        environment={
            name: value for name, _, value in (item.partition("=") for item in facts.get("environment", []))
        },
        flags=tuple(facts.get("flag", [])),
        has_envelope="imap" not in facts,
        spam_percent=int(facts["spam"][0]) if "spam" in facts else None,
        virus_severity=int(fact("virus", "0")),
    )


def verdict(expected: str, lines: list[str]) -> Iterator[str]:
    """What is wrong: nothing, or a description."""
    wanted = [line for line in expected.splitlines() if line.strip()]
    if not any(line.startswith("effect ") for line in wanted):
        lines = [line for line in lines if not line.startswith("effect ")]
    for number in range(max(len(wanted), len(lines))):
        want = wanted[number] if number < len(wanted) else "nothing more"
        got = lines[number] if number < len(lines) else "nothing more"
        is_error = want.startswith(("!", "compile"))
        if got != want and not (is_error and got.startswith(want)):
            yield f"expected {want!r}, got {got!r}"


def _shown(line: int, script: str, text: str) -> str:
    return f"{script + ':' if script else ''}{line}: {text}"


def _target(target: Target) -> str:
    shown = f'"{target.mailbox}"'
    if target.special_use is not None:
        shown += f" specialuse={target.special_use}"
    if target.mailbox_id is not None:
        shown += f" mailboxid={target.mailbox_id}"
    return shown + (" create" if target.create else "")


def _flags(flags: tuple[str, ...]) -> str:
    return f" [{' '.join(flags)}]" if flags else ""


def _edition(edition: Edition | None) -> str:
    return "" if edition is None else " changed"


def _copy(file_copy: FileCopy | None) -> str:
    return "" if file_copy is None else f" fcc={_target(file_copy.target)}{_flags(file_copy.flags)}"


def _action(action: Action) -> str:
    match action:
        case Keep():
            return f"keep{_flags(action.flags)}{_edition(action.edition)}"
        case FileInto():
            return f"fileinto {_target(action.target)}{_flags(action.flags)}{_edition(action.edition)}"
        case Redirect():
            return f"redirect {action.address}{_edition(action.edition)}"
        case RedirectToList():
            return f"redirect :list {action.list_name}"
        case Discard():
            return "discard"
        case Reject():
            return f"{action.refusal.value} {action.reason!r}"
        case Vacation():
            kind = "mime" if action.is_mime else "text"
            sender = "" if action.sender is None else f" from {action.sender}"
            return (
                f"vacation to {action.recipient} every {action.interval_seconds}s{sender} "
                f"subject {action.subject!r} {kind} {action.content.decode(errors='replace')!r}{_copy(action.file_copy)}"
            )
        case Notify():
            copies = f" cc {','.join(action.copies)}" if action.copies else ""
            sender = "" if action.sender is None else f" from {action.sender}"
            header = "".join(f" {name}={value}" for name, value in action.header)
            text = f" text {action.text!r}" if action.text else ""
            return (
                f"notify {','.join(action.recipients)}{copies}{sender} importance {action.importance} "
                f"subject {action.subject!r}{header}{text}{_copy(action.file_copy)}"
            )
        case NotSent():
            return f"no {action.command}: {action.reason.name}"


def _effect(effect: Effect) -> str:
    match effect:
        case FlagsSet():
            return f"flags {effect.variable or '-'}{_flags(effect.flags)}"
        case HeaderAdded():
            return f"add {effect.position.value} {effect.name}: {effect.value}"
        case HeaderDeleted():
            return f"delete {effect.count} {effect.name}"
        case PartReplaced():
            return f"replace {'.'.join(str(number) for number in effect.section) or 'all'}"
        case MessageEnclosed():
            return "enclose"
