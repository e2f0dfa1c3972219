"""`python -m mta_queue.migrate`: bring the queue's database to the newest step (MTA_QUEUE_MIGRATE_DSN, MTA_QUEUE_APP_ROLE)."""

from pathlib import Path

from pgkit import migrations

STEPS = Path(__file__).parent / "migrations"


def migrate(dsn: str, app_role: str) -> None:
    """Idempotent; two at once wait for each other. `dsn` is the owner role's."""
    migrations.migrate(dsn, app_role, STEPS)


if __name__ == "__main__":
    migrations.main("MTA_QUEUE", STEPS)
