"""What the mda counts."""

from prometheus_client import Counter, Gauge, Histogram

FILED = Counter("mda_deliveries_filed_total", "Messages filed into a mailbox")
REPEATED = Counter("mda_deliveries_repeated_total", "Deliveries that were filed already when they came again")
POSTPONED = Counter("mda_messages_postponed_total", "Messages given back because a store was out of reach")
POISONED = Counter("mda_messages_poisoned_total", "Messages put aside because they cannot be filed")
BATCH = Histogram(
    "mda_batch_messages", "Messages of one transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
COMMIT_SECONDS = Histogram("mda_commit_seconds", "Time of one transaction")
WAITED_SECONDS = Histogram(
    "mda_delivery_age_seconds",
    "Time from acceptance at the gate to the mailbox",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
RECEIPTS = Counter("mda_receipts_total", "Notices of delivery that senders had asked for")
DISPLAYED = Counter("mda_dispositions_total", "Senders told that their message was displayed")
LATE = Counter("mda_late_notices_total", "Senders told that a delivery takes longer than they want")
EVENTS = Counter("mda_events_total", "Events told of what happened to mail")
BOUNCED = Counter("mda_bounces_total", "Notices that a message will not be delivered")
ACCOUNTS_REMOVED = Counter("mda_accounts_removed_total", "Accounts whose mail was removed for good")
OBJECTS_REMOVED = Counter("mda_objects_removed_total", "Stored objects that nobody needed any more")
OVER_QUOTA = Counter("mda_deliveries_over_quota_total", "Deliveries for which there was no room")
QUOTA_WARNINGS = Counter("mda_quota_warnings_total", "Users told that their mailboxes are nearly full")
SCANS = Counter("mda_scans_total", "What scanners found", ["scanner", "verdict"])
SCAN_SECONDS = Histogram(
    "mda_scan_seconds",
    "Time of one scanner for one message",
    ["scanner"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
JUDGED = Counter("mda_messages_judged_total", "Messages judged before they were accepted", ["judgement"])
LEARNED = Counter("mda_messages_learned_total", "Messages that the scanner learned from", ["sorted_as"])
SCANNER_UP = Gauge("mda_scanner_up", "Whether a scanner answered when it was last asked", ["scanner"])
AWAITING_SCAN = Counter("mda_messages_awaiting_scan_total", "Messages given back because a scanner is down")
JUNK = Counter("mda_deliveries_junk_total", "Deliveries to Junk")
QUARANTINED = Counter("mda_messages_quarantined_total", "Messages kept back, for their tenant to look at")
SETTLED = Counter("mda_quarantine_settled_total", "Messages kept no longer, and why", ["outcome"])
UNSCANNED = Counter(
    "mda_messages_unscanned_total", "Messages filed that were not scanned, and why", ["reason"]
)
WITHOUT_SCANNER = UNSCANNED.labels("no_scanner")
SCANNER_DOWN = UNSCANNED.labels("scanner_failed")
SEALED = Counter(
    "mda_bodies_sealed_total",
    "Bodies for accounts that have their mail encrypted, and what was done",
    ["outcome"],
)
SCRIPTS = Counter("mda_scripts_total", "Runs of users' Sieve scripts, by how they ended", ["outcome"])
SCRIPT_MAIL = Counter(
    "mda_script_mail_total", "Messages that scripts sent: redirected, answers, notifications"
)
LIST_MAIL = Counter("mda_list_mail_total", "Messages to mailing lists, by what became of them", ["fate"])
LIST_COPIES = Counter("mda_list_copies_total", "Members to whom posts of mailing lists were sent")
