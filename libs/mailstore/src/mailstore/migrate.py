"""`python -m mailstore.migrate`: bring a store's database to the newest step (MAILSTORE_MIGRATE_DSN, MAILSTORE_APP_ROLE)."""

from pathlib import Path

from pgkit import migrations

STEPS = Path(__file__).parent / "migrations"


def migrate(dsn: str, app_role: str) -> None:
    """Idempotent; two at once wait for each other. `dsn` is the owner role's."""
    migrations.migrate(dsn, app_role, STEPS)


if __name__ == "__main__":
    migrations.main("MAILSTORE", STEPS)
