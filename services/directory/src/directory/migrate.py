"""`python -m directory.migrate`: bring the directory's database to the newest step (DIRECTORY_MIGRATE_DSN, DIRECTORY_APP_ROLE)."""

from pathlib import Path

from pgkit import migrations

STEPS = Path(__file__).parent / "migrations"


def migrate(dsn: str, app_role: str) -> None:
    """Idempotent; two at once wait for each other. `dsn` is the owner role's."""
    migrations.migrate(dsn, app_role, STEPS)


if __name__ == "__main__":
    migrations.main("DIRECTORY", STEPS)
