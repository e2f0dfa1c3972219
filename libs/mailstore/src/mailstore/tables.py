"""The tables, as documentation and for migrations: SQLAlchemy Core, every key beginning with the account.

Lock order. Whoever changes anything of an account first locks its row in
`account` (several: in the order of tenant, account) and changes nothing of an
account that it has not locked. So two writers never wait for each other in a
circle, UIDs and MODSEQs become visible in ascending order, and the counters in
`mailbox` are exact. Rows of `orphan_object` come last, in the order of their
keys. Three things need no lock: `recent_from_uid` (it only grows), `mailbox_key`
(its holder's alone) and reading. Within a process one at a time asks for the
lock of an account (`turns`): who waits in PostgreSQL holds a connection.

Plans. A mailbox_id belongs to one account, which the planner does not know: it
expects one row where there are 100,000, with fresh statistics too. So no
statement here leaves it a choice: rows are looked up by their whole key from
inside a LATERAL with OFFSET 0 (a fence), and changed by `ctid` (rows.CHOSEN).
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR, UUID

metadata = MetaData()


def _uuid(name: str, **options: object) -> "Column[object]":
    return Column(name, UUID(as_uuid=True), nullable=False, **options)  # type: ignore[arg-type]


# One row for each account that ever had mail here: the lock, and the counters that all its mailboxes share.
account = Table(
    "account",
    metadata,
    _uuid("account_id", primary_key=True),
    _uuid("tenant_id"),
    # The last MODSEQ given; every change of the account takes the next.
    Column("modseq", BigInteger, nullable=False, server_default="1"),
    # UIDVALIDITY of the next mailbox: never one that was used before.
    Column("next_uid_validity", BigInteger, nullable=False),
)

mailbox = Table(
    "mailbox",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, Identity(), primary_key=True),
    _uuid("tenant_id"),
    Column("name", Text, nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid_next", BigInteger, nullable=False, server_default="1"),
    Column("highest_modseq", BigInteger, nullable=False, server_default="1"),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("unseen", Integer, nullable=False, server_default="0"),
    Column("size_octets", BigInteger, nullable=False, server_default="0"),
    # Messages from this UID on are \\Recent to the next session that selects the mailbox.
    Column("recent_from_uid", BigInteger, nullable=False, server_default="1"),
    Column("special_use", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Vanished UIDs up to this MODSEQ are not kept any more.
    Column("forgotten_modseq", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
    UniqueConstraint("account_id", "name", name="mailbox_name"),
)

subscription = Table(
    "subscription",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("name", Text, primary_key=True),
    _uuid("tenant_id"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
)

# A message of an account, however many mailboxes show it. Its id is stable over COPY and MOVE.
message = Table(
    "message",
    metadata,
    _uuid("account_id", primary_key=True),
    _uuid("message_id", primary_key=True),
    _uuid("tenant_id"),
    Column("object_key", Text, nullable=False),
    Column("body_offset", BigInteger, nullable=False),
    Column("body_length", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # What stands before the body wherever it is shown: Return-Path, Delivered-To, Received ...
    Column("prefix", LargeBinary, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("header_octets", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("bodystructure", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("parts", LargeBinary, nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    # mailmodel.thread_id; NULL where a version before filed it.
    Column("thread_id", LargeBinary),
    # mailmsg.list_id and mailmsg.attachments; NULL where it is not known, or a version before filed it.
    Column("list_id", LargeBinary),
    Column("has_attachments", Boolean),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
    Index("message_object", "object_key"),
)

# The text of a message's body, for searching; filled later or never (mailstore.texts).
message_text = Table(
    "message_text",
    metadata,
    _uuid("account_id", primary_key=True),
    _uuid("message_id", primary_key=True),
    _uuid("tenant_id"),
    Column("body", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("language", Text, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "message_id"], ["message.account_id", "message.message_id"], ondelete="CASCADE"
    ),
)

# A message's place in a mailbox. Narrow: opening a mailbox reads all of these.
entry = Table(
    "entry",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    _uuid("tenant_id"),
    _uuid("message_id"),
    Column("modseq", BigInteger, nullable=False),
    Column("system_flags", SmallInteger, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Octets of prefix and body together (RFC822.SIZE).
    Column("size_octets", BigInteger, nullable=False),
    Column("internal_date", DateTime(timezone=True), nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("entry_modseq", "account_id", "modseq"),
    Index("entry_message", "account_id", "message_id"),
    Index("entry_deleted", "account_id", "mailbox_id", postgresql_where=text("system_flags & 8 <> 0")),
)

# UIDs that were expunged, and when: what a session or QRESYNC (RFC 7162) asks for.
vanished = Table(
    "vanished",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    _uuid("tenant_id"),
    Column("modseq", BigInteger, nullable=False),
    Column("vanished_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("vanished_modseq", "account_id", "modseq"),
    Index("vanished_age", "vanished_at", postgresql_using="brin"),
)

# What clients keep about a mailbox, or (mailbox_id 0) about the account (RFC 5464). Entry names are in lower case.
annotation = Table(
    "annotation",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("entry", Text, primary_key=True),
    _uuid("tenant_id"),
    Column("value", LargeBinary, nullable=False),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
)

# Who beside its owner has which rights to a mailbox (mailmodel.rights). The owner has them all.
mailbox_right = Table(
    "mailbox_right",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("identifier", Text, primary_key=True),
    _uuid("tenant_id"),
    Column("rights", Text, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("mailbox_right_identifier", "tenant_id", "identifier"),
)

# \\Seen of those who read another's mailbox: each has his own. The owner's is in `entry`. A row whose `seen` is false
# is there for its MODSEQ.
reader_seen = Table(
    "reader_seen",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    _uuid("reader_id", primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    _uuid("tenant_id"),
    Column("seen", Boolean, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("reader_seen_uid", "account_id", "mailbox_id", "uid"),
    Index("reader_seen_reader", "reader_id", "account_id"),
)

# What somebody keeps about another's mailbox for himself alone (RFC 5464): the private annotations of readers.
reader_annotation = Table(
    "reader_annotation",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    _uuid("reader_id", primary_key=True),
    Column("entry", Text, primary_key=True),
    _uuid("tenant_id"),
    Column("value", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("reader_annotation_reader", "reader_id", "account_id"),
)

# With what a user signs URLs of a mailbox, his own or another's (`keys`).
mailbox_key = Table(
    "mailbox_key",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("mailbox_id", BigInteger, primary_key=True),
    _uuid("holder_id", primary_key=True),
    _uuid("tenant_id"),
    Column("key", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailbox.account_id", "mailbox.mailbox_id"], ondelete="CASCADE"
    ),
    Index("mailbox_key_holder", "holder_id"),
)

# What was settled: (queue id, recipient) once. Outlives the message, so that a repetition finds it.
delivery = Table(
    "delivery",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    _uuid("tenant_id"),
    Column("filed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # The status (RFC 3463) that its sender was told; null: it was filed, or nobody wanted it filed.
    Column("refused", Text),
    # Both ascend with time: BRIN.
    Index("delivery_queue", "queue_id", postgresql_using="brin"),
    Index("delivery_age", "filed_at", postgresql_using="brin"),
)

# Sieve scripts (RFC 5804): several, one of them active.
sieve_script = Table(
    "sieve_script",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("name", Text, primary_key=True),
    _uuid("tenant_id"),
    Column("content", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("false")),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
    Index("sieve_script_active", "account_id", unique=True, postgresql_where=text("active")),
)

# What they said before they were replaced or deleted.
sieve_script_version = Table(
    "sieve_script_version",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    _uuid("tenant_id"),
    Column("content", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("replaced_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
)

# Sieve scripts of a tenant, by name; every change is a version of its own, one of them active or none.
tenant_script = Table(
    "tenant_script",
    metadata,
    _uuid("tenant_id", primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("false")),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("made_by", Text, nullable=False, server_default=""),
    Index("tenant_script_active", "tenant_id", "name", unique=True, postgresql_where=text("active")),
)

# What scripts must remember until then: who was answered (RFC 5230 §4.2), which ids were seen (RFC 7352).
sieve_memory = Table(
    "sieve_memory",
    metadata,
    _uuid("account_id", primary_key=True),
    Column("handle", LargeBinary, primary_key=True),
    _uuid("tenant_id"),
    Column("kept_until", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
    Index("sieve_memory_age", "kept_until"),
)

# Short bodies that wait to be packed into an object (`staging`); then, for a while, where they are.
staged_body = Table(
    "staged_body",
    metadata,
    _uuid("body_id", primary_key=True),
    _uuid("account_id"),
    _uuid("tenant_id"),
    Column("content", LargeBinary),
    Column("object_key", Text),
    Column("body_offset", BigInteger),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["account_id"], ["account.account_id"], ondelete="CASCADE"),
    Index("staged_body_waiting", "changed_at", postgresql_where=text("content IS NOT NULL")),
    Index("staged_body_account", "account_id"),
)

# Objects whose last message row went: swept when nothing refers to them after the grace time.
orphan_object = Table(
    "orphan_object",
    metadata,
    _uuid("tenant_id", primary_key=True),
    Column("object_key", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
