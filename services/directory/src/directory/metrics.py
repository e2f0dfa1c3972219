"""What the directory counts."""

from prometheus_client import Counter, Histogram

LOGINS = Counter("directory_logins_total", "Authenticate calls", ["door", "outcome"])
HASH_SECONDS = Histogram(
    "directory_password_hash_seconds", "Time of one argon2id verification, waiting included"
)
RESOLUTIONS = Counter("directory_resolutions_total", "Recipients resolved", ["disposition"])
