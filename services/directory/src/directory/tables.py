"""The tables of the directory: SQLAlchemy Core, for migrations and as documentation.

A domain and an address are unique over all tenants: whose mail it is must be one
answer. Credentials stand apart from accounts, one row each, so that kinds can be
added.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

metadata = MetaData()


def _created_at() -> "Column[object]":
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _suspended() -> "Column[bool]":
    return Column("suspended", Boolean, nullable=False, server_default=text("false"))


tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False, server_default=""),
    _suspended(),
    _created_at(),
)

domain = Table(
    "domain",
    metadata,
    Column("name", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False, index=True),
    _suspended(),
    _created_at(),
)

account = Table(
    "account",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False, index=True),
    Column("display_name", Text, nullable=False, server_default=""),
    # Which store holds its mail: a PostgreSQL and a bucket.
    Column("store", Text, nullable=False, server_default="default"),
    _suspended(),
    _created_at(),
)

# Every address of ours, of accounts and of aliases: one name, one meaning.
address = Table(
    "address",
    metadata,
    Column("domain", ForeignKey("domain.name"), primary_key=True),
    Column("local_part", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False, index=True),
    # An account's address; NULL: an alias.
    Column("account_id", ForeignKey("account.account_id", ondelete="CASCADE"), index=True),
    Column("is_primary", Boolean, nullable=False, server_default=text("false")),
    _created_at(),
    Index("address_primary", "account_id", unique=True, postgresql_where=text("is_primary")),
)

alias_target = Table(
    "alias_target",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("local_part", Text, primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False),
    Column("target", Text, nullable=False),
)

credential = Table(
    "credential",
    metadata,
    Column("credential_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("account_id", ForeignKey("account.account_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False),
    # "password": an argon2id hash in PHC form.
    Column("kind", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    _created_at(),
)
