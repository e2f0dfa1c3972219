"""All commands and tests of the language, by name."""

from __future__ import annotations

from sieve.commands import (
    editheader,
    enclose,
    ending,
    extracttext,
    fileinto,
    flags,
    foreverypart,
    include,
    keep,
    notify,
    redirect,
    reject,
    replace,
    set_variable,
    vacation,
)
from sieve.conditions import (
    address,
    body,
    date,
    duplicate,
    environment,
    ext_list,
    hasflag,
    header,
    ihave,
    logic,
    mailbox,
    metadata,
    notify_method,
    size,
    string,
    verdict,
)
from sieve.program import CommandKind, TestKind

_COMMANDS: tuple[tuple[CommandKind, ...], ...] = (
    editheader.KINDS,
    enclose.KINDS,
    ending.KINDS,
    extracttext.KINDS,
    fileinto.KINDS,
    flags.KINDS,
    foreverypart.KINDS,
    include.KINDS,
    keep.KINDS,
    notify.KINDS,
    redirect.KINDS,
    reject.KINDS,
    replace.KINDS,
    set_variable.KINDS,
    vacation.KINDS,
)
_TESTS: tuple[tuple[TestKind, ...], ...] = (
    address.KINDS,
    body.KINDS,
    date.KINDS,
    duplicate.KINDS,
    environment.KINDS,
    ext_list.KINDS,
    hasflag.KINDS,
    header.KINDS,
    ihave.KINDS,
    logic.KINDS,
    mailbox.KINDS,
    metadata.KINDS,
    notify_method.KINDS,
    size.KINDS,
    string.KINDS,
    verdict.KINDS,
)
COMMANDS: dict[str, CommandKind] = {kind.name: kind for kinds in _COMMANDS for kind in kinds}
TESTS: dict[str, TestKind] = {kind.name: kind for kinds in _TESTS for kind in kinds}
