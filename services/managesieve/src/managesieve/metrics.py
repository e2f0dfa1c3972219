"""What managesieve counts."""

from prometheus_client import Counter

LOGINS = Counter("managesieve_logins_total", "Logins, by how they ended", ["outcome"])
ORDERS = Counter(
    "managesieve_orders_total",
    "Orders of logged-in users, by command and how they ended",
    ["command", "outcome"],
)
