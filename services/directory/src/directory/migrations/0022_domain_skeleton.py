"""What a domain looks like (core/confusable.py), so that none is made that looks like another one."""

import sqlalchemy as sa
from alembic import op
from directory.core.confusable import domain_skeleton

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only adds."""
    op.execute("ALTER TABLE domain ADD COLUMN skeleton TEXT")
    connection = op.get_bind()
    # The owner of the tables stands behind the same walls as everybody.
    connection.execute(sa.text("SELECT set_config('posthouse.scope', 'operator', true)"))
    for (name,) in connection.execute(sa.text("SELECT name FROM domain")).all():
        connection.execute(
            sa.text("UPDATE domain SET skeleton = :skeleton WHERE name = :name"),
            {"skeleton": domain_skeleton(name), "name": name},
        )
    op.execute("CREATE INDEX domain_skeleton ON domain (skeleton)")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
