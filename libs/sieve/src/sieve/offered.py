"""What a user's script may require here: the extensions whose actions our delivery carries out.

The language knows more (`sieve.capabilities`); a script that requires the rest is refused when it is put, and not
when mail comes.
"""

from __future__ import annotations

from sieve.capabilities import BUILT_IN

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
    "extracttext",
    "fileinto",
    "foreverypart",
    "ihave",
    "imap4flags",
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
