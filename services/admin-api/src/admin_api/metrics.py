"""What the admin API counts."""

from prometheus_client import Counter

REQUESTS = Counter("admin_api_requests_total", "Requests", ["method", "status"])
