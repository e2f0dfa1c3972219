"""What the gateway counts."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

ACCEPTED = Counter("smtp_gateway_messages_accepted_total", "Messages answered 250", ["role"])
REFUSED = Counter("smtp_gateway_messages_refused_total", "Messages refused after DATA", ["role", "reason"])
RECIPIENTS = Counter("smtp_gateway_recipients_total", "Answers to RCPT", ["role", "outcome"])
LOGINS = Counter("smtp_gateway_logins_total", "AUTH attempts", ["outcome"])
OUTCOMES_UNKNOWN = Counter(
    "smtp_gateway_outcomes_unknown_total",
    "Connections dropped because it was not known whether a message was stored",
)
LIMITED = Counter("smtp_gateway_limited_total", "Refusals because a limit was reached", ["role", "limit"])
INFLIGHT = Gauge("smtp_gateway_inflight_octets", "Octets of messages being received")
ACCEPT_SECONDS = Histogram("smtp_gateway_accept_seconds", "Time from the final dot to the answer")
SIZE = Histogram(
    "smtp_gateway_message_octets",
    "Size of accepted messages",
    buckets=(1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
)
DNS_UNANSWERED = Counter(
    "smtp_gateway_dns_unanswered_total", "Questions of sender checks that DNS gave no answer to in time"
)
SENDER_CHECKS = Counter(
    "smtp_gateway_sender_checks_total", "Results of checks of who is speaking", ["method", "result"]
)
SENDER_CHECK_SECONDS = Histogram(
    "smtp_gateway_sender_check_seconds", "Time that all checks of a message took together"
)
DMARC_ACTIONS = Counter("smtp_gateway_dmarc_actions_total", "What was done with a message", ["action"])
FORGED_RESULTS = Counter(
    "smtp_gateway_forged_results_total",
    "Messages with an Authentication-Results field in our name, taken out",
)
SIGNED = Counter("smtp_gateway_dkim_signatures_total", "DKIM signatures made", ["algorithm"])
UNSIGNED = Counter("smtp_gateway_dkim_unsigned_total", "Submitted messages without a signature", ["reason"])
OFFENCES = Counter("smtp_gateway_offences_total", "What clients did that is held against them", ["offence"])
BANS = Counter("smtp_gateway_bans_total", "Clients banned for offences")
BANNED = Counter("smtp_gateway_banned_connections_total", "Connections of banned clients", ["by"])
TARPITTED = Gauge("smtp_gateway_tarpitted", "Clients that are made to wait for an answer now")
SUSPENDED = Counter("smtp_gateway_senders_suspended_total", "Accounts whose sending was suspended", ["by"])
BLOCKLISTS_SILENT = Counter(
    "smtp_gateway_blocklists_silent_total", "Questions that a list in DNS gave no answer to", ["zone"]
)
GREYLISTED = Counter(
    "smtp_gateway_greylist_total", "Recipients by how they stand to greylisting", ["outcome"]
)
CLIENTS_REFUSED = Counter(
    "smtp_gateway_clients_refused_total", "Clients refused for what they are or say of themselves", ["reason"]
)
BUSY = Counter("smtp_gateway_busy_total", "Sent away early because there was too much to do", ["what"])
LAG_SECONDS = Gauge("smtp_gateway_loop_lag_seconds", "How late the event loop came to what was due")
HOOKS = Counter("smtp_gateway_hooks_total", "Answers of operators' hooks", ["hook", "stage", "act"])


@cache
def accepted(role: str) -> Counter:
    """ACCEPTED's own; a look-up by labels takes longer than the counting."""
    return ACCEPTED.labels(role)


@cache
def recipients(role: str, outcome: str) -> Counter:
    """RECIPIENTS' own."""
    return RECIPIENTS.labels(role, outcome)
