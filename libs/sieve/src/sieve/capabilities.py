"""The extensions that this library knows, by the names that "require" uses (RFC 5228 §6.1)."""

from __future__ import annotations

BUILT_IN = frozenset({"comparator-i;octet", "comparator-i;ascii-casemap"})
"""Usable without "require" (RFC 5228 §2.7.3)."""

_EVERYWHERE = BUILT_IN | {
    "body",  # RFC 5173
    "comparator-i;ascii-numeric",  # RFC 4790
    "copy",  # RFC 3894
    "date",  # RFC 5260
    "editheader",  # RFC 5293
    "enclose",  # RFC 5703
    "encoded-character",  # RFC 5228
    "enotify",  # RFC 5435, RFC 5436
    "envelope",  # RFC 5228
    "environment",  # RFC 5183
    "extlists",  # RFC 6134
    "extracttext",  # RFC 5703
    "fcc",  # RFC 8580
    "fileinto",  # RFC 5228
    "foreverypart",  # RFC 5703
    "ihave",  # RFC 5463
    "imap4flags",  # RFC 5232
    "include",  # RFC 6609
    "index",  # RFC 5260
    "mailbox",  # RFC 5490
    "mailboxid",  # RFC 9042
    "mboxmetadata",  # RFC 5490
    "mime",  # RFC 5703
    "regex",  # draft-ietf-sieve-regex
    "relational",  # RFC 5231
    "replace",  # RFC 5703
    "servermetadata",  # RFC 5490
    "spamtest",  # RFC 5235
    "spamtestplus",  # RFC 5235
    "special-use",  # RFC 8579
    "subaddress",  # RFC 5233
    "variables",  # RFC 5229
    "virustest",  # RFC 5235
}

DELIVERY = _EVERYWHERE | {
    "duplicate",  # RFC 7352
    "ereject",  # RFC 5429
    "reject",  # RFC 5429
    "vacation",  # RFC 5230
    "vacation-seconds",  # RFC 6131
}
"""What a script may use when a message is delivered."""

IMAP_EVENTS = _EVERYWHERE | {"imapsieve"}
"""What a script may use when an IMAP client changed something (RFC 6785 §3.11, RFC 7352 §3.4)."""

IMPLIED = {
    "vacation-seconds": frozenset({"vacation"}),  # RFC 6131 §2
    "spamtestplus": frozenset({"spamtest"}),  # RFC 5235 §3.2: it has the same test
}

CHANGES_READING = frozenset({"encoded-character", "variables"})
"""Extensions that change how the script itself is read: "ihave" can't turn them on (RFC 5463 §4)."""

NOTIFY_METHODS = ("mailto",)
"""The URI schemes that "notify" knows (RFC 5804 §1.7)."""

LIST_SCHEMES = ("mailto", "urn")
"""The URI schemes of the external lists that are offered (RFC 6134)."""


def advertised(capabilities: frozenset[str]) -> tuple[str, ...]:
    """The extensions to tell clients about, in order (RFC 5804 §1.7)."""
    return tuple(sorted(capabilities - BUILT_IN))
