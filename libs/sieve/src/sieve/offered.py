"""What a user's script may require here: the extensions whose actions we carry out.

A script may be meant for delivery, for what users do over IMAP (RFC 6785), or for both: "imapsieve" may be required at
delivery too, where its items are empty or not there. The language knows more (`sieve.capabilities`); a script that
requires the rest is refused when it is put, and not when mail comes.
"""

from __future__ import annotations

from sieve.capabilities import BUILT_IN, IMAP_EVENTS

OFFERED = BUILT_IN | {
    "body",
    "comparator-i;ascii-numeric",
    "copy",
    "date",
    "duplicate",
    "editheader",
    "enclose",
    "encoded-character",
    "envelope",
    "enotify",
    "environment",
    "ereject",
    "extlists",
    "fcc",
    "extracttext",
    "fileinto",
    "foreverypart",
    "ihave",
    "imap4flags",
    "imapsieve",
    "include",
    "index",
    "mailbox",
    "mailboxid",
    "mboxmetadata",
    "mime",
    "regex",
    "reject",
    "relational",
    "replace",
    "servermetadata",
    "spamtest",
    "spamtestplus",
    "special-use",
    "subaddress",
    "vacation",
    "vacation-seconds",
    "variables",
    "virustest",
}

AT_EVENTS = OFFERED & IMAP_EVENTS
"""What a script may use when an IMAP client changed something."""
