"""The tables of the directory, as they stand after the last migration: SQLAlchemy Core, as documentation.

A domain and an address are unique over all tenants: whose mail it is must be one
answer. Credentials stand apart from accounts, one row each, so that kinds can be
added. References name the tenant too: PostgreSQL checks them past the walls, and
no row of one tenant may hang on a row of another.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

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
    UniqueConstraint("name", "tenant_id", name="domain_of_tenant"),
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
    UniqueConstraint("account_id", "tenant_id", name="account_of_tenant"),
)

# Every address of ours, of accounts and of aliases: one name, one meaning.
address = Table(
    "address",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("local_part", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False, index=True),
    # An account's address; NULL: an alias.
    Column("account_id", UUID(as_uuid=True), index=True),
    Column("is_primary", Boolean, nullable=False, server_default=text("false")),
    _created_at(),
    UniqueConstraint("domain", "local_part", "tenant_id", name="address_of_tenant"),
    ForeignKeyConstraint(
        ["domain", "tenant_id"], ["domain.name", "domain.tenant_id"], name="address_in_domain"
    ),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="address_of_account",
        ondelete="CASCADE",
    ),
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
    ForeignKeyConstraint(
        ["domain", "local_part", "tenant_id"],
        ["address.domain", "address.local_part", "address.tenant_id"],
        name="target_of_alias",
        ondelete="CASCADE",
    ),
)

credential = Table(
    "credential",
    metadata,
    Column("credential_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("account_id", UUID(as_uuid=True), nullable=False, index=True),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False),
    # "password" (one): an argon2id hash in PHC form. "app" (several): an app password, "sha256$" and hex.
    Column("kind", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    _created_at(),
    # Of an app password: what its owner calls it, the doors that it opens, its end, its last use.
    Column("name", Text, nullable=False, server_default=""),
    Column("scopes", ARRAY(Text), nullable=False, server_default="{}"),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("last_used_service", Text, nullable=False, server_default=""),
    Column("last_used_address", Text, nullable=False, server_default=""),
    Index("credential_password", "account_id", unique=True, postgresql_where=text("kind = 'password'")),
    Index("credential_app_name", "account_id", "name", unique=True, postgresql_where=text("kind = 'app'")),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="credential_of_account",
        ondelete="CASCADE",
    ),
)
