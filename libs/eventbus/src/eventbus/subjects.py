"""Every subject that Posthouse uses, broad to narrow.

| subject | payload | published by | consumed by | kept |
|---|---|---|---|---|
| mail.local.<shard> | mailwire.spool.v1.SpooledMessage or SpooledPack | the spool library | mda | JetStream MAIL, until acknowledged |
| mail.relay.<shard> | mailwire.spool.v1.SpooledMessage or SpooledPack | the spool library | mta-queue | JetStream MAIL, until acknowledged |
| mailbox.changed.<account> | mailwire.mailbox.v1.MailboxChanged | mailstore, after a commit | imap | not |
| mailbox.sorted.<account> | JSON: tenant_id, account_id, mailbox_id, uids, as (spam or ham) | mailstore, after a commit in imap | mda, to learn | not |
| mailbox.read.<account> | JSON: tenant_id, account_id, mailbox_id, uids | imap, of accounts whose senders may know | mda, for return receipts | not |
| mailbox.acted.<account> | JSON (imap.core.acting): what a user did to messages of a mailbox that has a script | imap | mda, to run it | JetStream ACTED, until acknowledged, a day at most |
| limits.spent | JSON: who, and what it let through | smtp-gateway, once a second | the other gateways | not |
| mail-judged | JSON: the client's address, and what its message was found to be (spam or virus) | mda, of what came by the mx door | one smtp-gateway | not |
| dmarc.result | JSON: the policy that was found, and what the message came to | smtp-gateway | one mta-queue | not |
| sending.suspended | JSON: account, tenant, reason, at | smtp-gateway | whoever watches over accounts | not |
| ledger.<name>.<key> | the value; none: removed | smtp-gateway, mda (full) | smtp-gateway, mda (full) | JetStream LEDGER_<NAME>, the last one of each key, bounded |
| events.<tenant> | JSON: {"events": [...]} (mta-queue, core.events; mda, core.happened), oldest first | mta-queue and mda, after a commit | whoever follows a tenant's mail and logins | JetStream EVENTS, a week, 256 MiB |
| mail-returned | mailwire.spool.v1.SpooledMessage that was filed and is a notice or feedback report | mda, after a commit | mta-queue (one process of all) | not |
| login.noticed | JSON: tenant, account, its address, service, client's address, at, new_device, suspicious | directory | one mta-queue, which tells it as an event | not |
| directory.changed | mailwire.directory.v1.DirectoryChanged | directory, after a commit | all that cache answers | not |
"""

from zlib import crc32

MAIL_STREAM = "MAIL"
MAIL_LOCAL = "mail.local.*"
MAIL_RELAY = "mail.relay.*"
ALL_MAIL = "mail.>"
MAIL_RETURNED = "mail-returned"
MAIL_JUDGED = "mail-judged"
EVENTS_STREAM = "EVENTS"
ALL_EVENTS = "events.*"
MAILBOX_CHANGED = "mailbox.changed"
MAILBOX_SORTED = "mailbox.sorted"
MAILBOX_READ = "mailbox.read"
MAILBOX_ACTED = "mailbox.acted"
# What users did to messages of mailboxes that have scripts.
ACTED_STREAM = "ACTED"
ALL_ACTED = f"{MAILBOX_ACTED}.*"
DIRECTORY_CHANGED = "directory.changed"
LOGIN_NOTICED = "login.noticed"
LIMITS_SPENT = "limits.spent"
DMARC_RESULT = "dmarc.result"
SENDING_SUSPENDED = "sending.suspended"
# The ledger of accounts that are nearly full: account id → tenant id, octets that still fit.
FULL = "full"
FULL_OCTETS = 4 * 1024 * 1024
# For ever: who files takes out who has room again.
FULL_SECONDS = 0.0

# One stream today; the subjects already say how it would be split over several.
SHARDS = 8


def local_subject(queue_id: str) -> str:
    """Where mail for local recipients is published."""
    return f"mail.local.{crc32(queue_id.encode()) % SHARDS}"


def relay_subject(queue_id: str) -> str:
    """Where mail for remote recipients is published."""
    return f"mail.relay.{crc32(queue_id.encode()) % SHARDS}"


def events(tenant_id: str) -> str:
    """Where it is told what happens to one tenant's outgoing mail."""
    return f"events.{tenant_id}"


def mailbox_changed(account_id: str) -> str:
    """Where changes of one account's mailboxes are told."""
    return f"{MAILBOX_CHANGED}.{account_id}"


def mailbox_sorted(account_id: str) -> str:
    """Where it is told what a user takes messages for."""
    return f"{MAILBOX_SORTED}.{account_id}"


def mailbox_read(account_id: str) -> str:
    """Where it is told that a user has opened messages."""
    return f"{MAILBOX_READ}.{account_id}"


def mailbox_acted(account_id: str) -> str:
    """Where it is told what users did in mailboxes of an account that have scripts."""
    return f"{MAILBOX_ACTED}.{account_id}"
