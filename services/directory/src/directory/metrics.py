"""What the directory counts."""

from prometheus_client import Counter, Histogram

LOGINS = Counter("directory_logins_total", "Authenticate calls", ["door", "outcome"])
HASH_SECONDS = Histogram(
    "directory_password_hash_seconds",
    "Time until a password was known to be right or wrong, waiting included",
)
KEYS_UNOPENED = Counter(
    "directory_dkim_keys_unopened_total", "Private keys that none of our secrets opens: they do not sign"
)
DATA_KEYS_UNOPENED = Counter(
    "directory_data_keys_unopened_total",
    "Data keys of tenants that were asked for and that the key provider does not unwrap",
)
DATA_KEYS_UNKNOWN = Counter(
    "directory_data_keys_unknown_total",
    "Data keys that were asked for, of tenants that are there, and of which nothing is known: an older backup, perhaps",
)
RESOLUTIONS = Counter("directory_resolutions_total", "Recipients resolved", ["disposition"])
