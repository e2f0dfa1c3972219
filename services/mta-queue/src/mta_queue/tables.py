"""The queue's tables.

`queue_item` is what waits: the recipients of one message at one domain, with the
envelope and body reference to try again with. A process that works on an item
holds a lease on it; `fencing` counts the leases, and a result is only written
under the lease that was taken, so a process that was thought dead changes
nothing any more.

`relay_outcome` is what is settled, for each recipient: it tells a repetition on
the bus (and a respool) that there is nothing left to do, and it keeps a notice
that is due until it is in the spool.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

metadata = MetaData()

queue_item = Table(
    "queue_item",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("item_id", BigInteger, Identity(), nullable=False, unique=True),
    # waiting, or held by the operator.
    Column("status", Text, nullable=False, server_default="waiting"),
    Column("reverse_path", Text, nullable=False),
    Column("recipients", ARRAY(Text), nullable=False),
    # A mailwire.spool.v1.SpooledMessage with these recipients and without facts.
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("fencing", BigInteger, nullable=False, server_default="0"),
    Column("last_reply", Text, nullable=False, server_default=""),
    Column("last_host", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("queue_item_due", "next_attempt_at", postgresql_where=text("status = 'waiting'")),
)

relay_outcome = Table(
    "relay_outcome",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    # delivered or failed.
    Column("outcome", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # What a notice is made of, until it has been made: the payload of the item.
    Column("notice_due", LargeBinary),
    Index("relay_outcome_notice", "settled_at", postgresql_where=text("notice_due IS NOT NULL")),
)
