"""Where mail leaves from: pools of sources, and what those that are being warmed up have sent."""

from alembic import op
from pgkit.migrations import protect_shared

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE queue_egress (
    pool TEXT NOT NULL,
    address TEXT NOT NULL,
    proxy TEXT NOT NULL,
    username TEXT DEFAULT '' NOT NULL,
    password_sealed BYTEA DEFAULT '' NOT NULL,
    hello TEXT DEFAULT '' NOT NULL,
    weight INTEGER DEFAULT 1 NOT NULL,
    warmup_first INTEGER DEFAULT 0 NOT NULL,
    warmup_began DATE,
    PRIMARY KEY (pool, address, proxy)
)""",
    """CREATE TABLE queue_egress_use (
    address TEXT NOT NULL,
    proxy TEXT NOT NULL,
    day DATE NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (address, proxy, day)
)""",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect_shared("queue_egress", "queue_egress_use")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
