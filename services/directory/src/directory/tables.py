"""The tables of the directory, as they stand after the last migration: SQLAlchemy Core, as documentation.

A domain and an address are unique over all tenants: whose mail it is must be one
answer. Credentials stand apart from accounts, one row each, so that kinds can be
added. References name the tenant too: PostgreSQL checks them past the walls, and
no row of one tenant may hang on a row of another.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

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
    # Whoever has an address there has it here too.
    Column("alias_of", Text),
    # Where mail goes that no address here is for.
    Column("catch_all", ARRAY(Text), nullable=False, server_default="{}"),
    # What it looks like (core/confusable.py).
    Column("skeleton", Text),
    Index("domain_skeleton", "skeleton"),
    UniqueConstraint("name", "tenant_id", name="domain_of_tenant"),
    ForeignKeyConstraint(
        ["alias_of", "tenant_id"], ["domain.name", "domain.tenant_id"], name="domain_alias_of"
    ),
    Index("ix_domain_alias_of", "alias_of", postgresql_where=text("alias_of IS NOT NULL")),
)

account = Table(
    "account",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("tenant_id", ForeignKey("tenant.tenant_id"), nullable=False, index=True),
    Column("display_name", Text, nullable=False, server_default=""),
    # Which store holds its mail: a PostgreSQL and a bucket.
    Column("store", Text, nullable=False, server_default="default"),
    # What holds: by the operator, by its tenant, or (from before it was kept) by whom is not known.
    _suspended(),
    Column("suspended_by_operator", Boolean, nullable=False, server_default=text("false")),
    Column("suspended_by_tenant", Boolean, nullable=False, server_default=text("false")),
    _created_at(),
    # Of all SCRAM keys of the account; random, also where nobody gives one.
    Column("scram_salt", LargeBinary, nullable=False),
    # Nobody's own: it has no password, and others have rights to its mailboxes.
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    # What the tenant's own identity management calls it.
    Column("external_id", Text, nullable=False, server_default=""),
    # administrator, auditor (core/roles.py).
    Column("roles", ARRAY(Text), nullable=False, server_default="{}"),
    Index(
        "account_external_id",
        "tenant_id",
        "external_id",
        unique=True,
        postgresql_where=text("external_id <> '' AND deleted_at IS NULL"),
    ),
    # It has no addresses then; which it had.
    Column("deleted_at", DateTime(timezone=True)),
    Column("deleted_addresses", ARRAY(Text), nullable=False, server_default="{}"),
    UniqueConstraint("account_id", "tenant_id", name="account_of_tenant"),
    Index("ix_account_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
)

# Removed for good; whoever keeps its mail has not said yet that it is gone.
removed_account = Table(
    "removed_account",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("store", Text, nullable=False),
    Column("removed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
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
    # What it looks like (core/confusable.py).
    Column("skeleton", Text),
    Index("address_skeleton", "domain", "skeleton"),
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
    Index("alias_target_target", "tenant_id", "target"),
)

# Whose tokens let a tenant's people in.
openid_provider = Table(
    "openid_provider",
    metadata,
    Column(
        "tenant_id", UUID(as_uuid=True), ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("issuer", Text, primary_key=True, index=True),
    Column("audiences", ARRAY(Text), nullable=False),
    Column("address_claim", Text, nullable=False),
    Column("required_scopes", ARRAY(Text), nullable=False),
    Column("client_id", Text, nullable=False),
    # Encrypted (core/sealing.py).
    Column("sealed_secret", LargeBinary),
    _created_at(),
)

# The second step of web logins.
second_factor = Table(
    "second_factor",
    metadata,
    Column("factor_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("account_id", UUID(as_uuid=True), nullable=False, index=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    # totp, webauthn
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    # A seed of TOTP, encrypted (core/sealing.py).
    Column("sealed", LargeBinary),
    Column("webauthn_id", LargeBinary),
    Column("public_key", LargeBinary),
    # The last step of TOTP that counted, or the authenticator's counter.
    Column("counter", BigInteger, nullable=False, server_default="0"),
    Column("confirmed", Boolean, nullable=False, server_default=text("false")),
    _created_at(),
    Column("last_used_at", DateTime(timezone=True)),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="second_factor_of_account",
        ondelete="CASCADE",
    ),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True),
    # "sha256$" and hex.
    Column("verifier", Text, primary_key=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="recovery_code_of_account",
        ondelete="CASCADE",
    ),
)

# Asked, and not answered yet.
login_challenge = Table(
    "login_challenge",
    metadata,
    Column("challenge_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("account_id", UUID(as_uuid=True), nullable=False),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    # login, enrolment
    Column("purpose", Text, nullable=False),
    Column("challenge", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="login_challenge_of_account",
        ondelete="CASCADE",
    ),
)

# Of one account each; an authority of a tenant where there is no account.
client_certificate = Table(
    "client_certificate",
    metadata,
    Column(
        "tenant_id",
        UUID(as_uuid=True),
        ForeignKey("tenant.tenant_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    # The account's id, or the tenant's.
    Column("owner_id", UUID(as_uuid=True), primary_key=True),
    Column("fingerprint", Text, primary_key=True, index=True),
    Column("account_id", UUID(as_uuid=True), index=True),
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # DER
    Column("certificate", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _created_at(),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="client_certificate_of_account",
        ondelete="CASCADE",
    ),
)

# Where a tenant's passwords are kept by somebody else.
ldap_source = Table(
    "ldap_source",
    metadata,
    Column(
        "tenant_id", UUID(as_uuid=True), ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("url", Text, nullable=False),
    Column("bind_dn", Text, nullable=False),
    # Encrypted (core/sealing.py).
    Column("sealed_password", LargeBinary),
    Column("base_dn", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("ca_certificates", Text, nullable=False),
    _created_at(),
)

# A shared account whose mail goes to members.
mailing_list = Table(
    "mailing_list",
    metadata,
    Column(
        "account_id",
        UUID(as_uuid=True),
        ForeignKey("account.account_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("tenant_id", UUID(as_uuid=True), ForeignKey("tenant.tenant_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("posting", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("owners", ARRAY(Text), nullable=False),
    Column("moderators", ARRAY(Text), nullable=False),
    # Of the next member; nobody gets one twice.
    Column("next_number", BigInteger, nullable=False, server_default=text("0")),
    _created_at(),
    # closed, open
    Column("subscribing", Text, nullable=False, server_default=text("'closed'")),
    # owners, members, tenant
    Column("visible_to", Text, nullable=False, server_default=text("'owners'")),
    # 0: what comes back is not counted. suspend, remove
    Column("bounce_limit", Integer, nullable=False, server_default=text("5")),
    Column("bounce_action", Text, nullable=False, server_default=text("'suspend'")),
    Index("mailing_list_tenant_id", "tenant_id"),
    UniqueConstraint("account_id", "tenant_id", name="list_of_tenant"),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="list_of_account",
        ondelete="CASCADE",
    ),
)

list_member = Table(
    "list_member",
    metadata,
    Column(
        "account_id",
        UUID(as_uuid=True),
        ForeignKey("mailing_list.account_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("address", Text, nullable=False),
    _created_at(),
    # On how many days mail to it came back, lately; the last of them.
    Column("bounce_days", Integer, nullable=False, server_default=text("0")),
    Column("bounced_at", DateTime(timezone=True)),
    # By what it was suspended.
    Column("bounce_event", Text),
    Column("last_bounce", Text, nullable=False, server_default=text("''")),
    Column("suspended_at", DateTime(timezone=True)),
    Index("list_member_address", "account_id", text("lower(address)"), unique=True),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["mailing_list.account_id", "mailing_list.tenant_id"],
        name="member_of_list",
        ondelete="CASCADE",
    ),
)

# What a tenant's own identity management shows.
scim_token = Table(
    "scim_token",
    metadata,
    Column("token_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column(
        "tenant_id",
        UUID(as_uuid=True),
        ForeignKey("tenant.tenant_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("name", Text, nullable=False),
    # "sha256$" and hex.
    Column("verifier", Text, nullable=False),
    _created_at(),
    UniqueConstraint("verifier", name="scim_token_verifier"),
)

# An alias with a name.
address_group = Table(
    "address_group",
    metadata,
    Column("group_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("domain", Text, nullable=False),
    Column("local_part", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    _created_at(),
    Index("address_group_address", "domain", "local_part", unique=True),
    Index("address_group_name", "tenant_id", "display_name"),
    ForeignKeyConstraint(
        ["domain", "local_part", "tenant_id"],
        ["address.domain", "address.local_part", "address.tenant_id"],
        name="group_of_alias",
        ondelete="CASCADE",
    ),
)

# Who may send for an address: send_as, send_on_behalf.
delegation = Table(
    "delegation",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("local_part", Text, primary_key=True),
    Column("account_id", UUID(as_uuid=True), primary_key=True, index=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("send_right", Text, nullable=False),
    _created_at(),
    ForeignKeyConstraint(
        ["domain", "local_part", "tenant_id"],
        ["address.domain", "address.local_part", "address.tenant_id"],
        name="delegation_of_address",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="delegation_to_account",
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
    # SCRAM-SHA-256 (RFC 5802 §3); NULL where there are no keys (yet).
    Column("scram_iterations", Integer),
    Column("scram_stored_key", LargeBinary),
    Column("scram_server_key", LargeBinary),
    Index("credential_password", "account_id", unique=True, postgresql_where=text("kind = 'password'")),
    Index("credential_app_name", "account_id", "name", unique=True, postgresql_where=text("kind = 'app'")),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="credential_of_account",
        ondelete="CASCADE",
    ),
)

# Failed logins, by account and prefix ("pair"), by prefix ("prefix"), by minute ("everywhere": core/limits.py).
login_limit = Table(
    "login_limit",
    metadata,
    Column("breadth", Text, primary_key=True),
    # The account's id, or a keyed digest of a login that does not exist; the minute of "everywhere".
    Column("subject", Text, primary_key=True),
    Column("prefix", Text, primary_key=True),
    Column("tenant_id", UUID(as_uuid=True)),
    Column("account_id", UUID(as_uuid=True)),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failed_at", DateTime(timezone=True)),
    # Of a pair: when it was let in last; it is familiar then.
    Column("succeeded_at", DateTime(timezone=True)),
    Column("touched_at", DateTime(timezone=True), nullable=False, index=True),
    Index("ix_login_limit_account_id", "account_id", postgresql_where=text("account_id IS NOT NULL")),
)

# Who came in, or tried: what is the same within an hour is one row.
sign_in = Table(
    "sign_in",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    # "granted", "denied", "throttled" or "challenged".
    Column("outcome", Text, primary_key=True),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False, index=True),
    Column("times", Integer, nullable=False),
    # From where nobody had come lately; after much guessing.
    Column("new_device", Boolean, nullable=False, server_default=text("false")),
    Column("suspicious", Boolean, nullable=False, server_default=text("false")),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="sign_in_of_account",
        ondelete="CASCADE",
    ),
    Index("ix_sign_in_account_id_last_at", "account_id", "last_at"),
)

# What all processes of the directory must know and nobody else.
shared_secret = Table(
    "shared_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("tenant_id", UUID(as_uuid=True)),
    Column("value", LargeBinary, nullable=False),
)

# Private keys that sign for a domain: every one of them signs, and `record` is what DNS must say of each.
dkim_key = Table(
    "dkim_key",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("selector", Text, primary_key=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    # rsa-sha256 or ed25519-sha256 (RFC 6376 §3.3, RFC 8463)
    Column("algorithm", Text, nullable=False),
    # The private key, encrypted (core/sealing.py).
    Column("sealed", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    _created_at(),
    ForeignKeyConstraint(
        ["domain", "tenant_id"],
        ["domain.name", "domain.tenant_id"],
        name="dkim_key_of_domain",
        ondelete="CASCADE",
    ),
)

# What a tenant chooses where it may choose; no row is what the installation has.
tenant_policy = Table(
    "tenant_policy",
    metadata,
    Column(
        "tenant_id", UUID(as_uuid=True), ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True
    ),
    # Of before `choices`; not read any more.
    Column("dmarc", Text, nullable=False, server_default=""),
    # Names and values of policy.proto's TenantPolicy.
    Column("choices", JSONB, nullable=False, server_default=text("'{}'")),
)

# What an account chooses: names and values of policy.proto's AccountSettings.
account_settings = Table(
    "account_settings",
    metadata,
    Column("account_id", UUID(as_uuid=True), primary_key=True),
    Column("tenant_id", UUID(as_uuid=True), nullable=False),
    Column("choices", JSONB, nullable=False, server_default=text("'{}'")),
    ForeignKeyConstraint(
        ["account_id", "tenant_id"],
        ["account.account_id", "account.tenant_id"],
        name="settings_of_account",
        ondelete="CASCADE",
    ),
)

# What a tenant's bodies are encrypted with (docs/adr/0018). A row stays when the key is deleted: its number is used.
data_key = Table(
    "data_key",
    metadata,
    Column(
        "tenant_id", UUID(as_uuid=True), ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("version", Integer, primary_key=True, autoincrement=False),
    # The key-encryption key; empty where it was deleted.
    Column("wrapped_with", Text, nullable=False),
    Column("wrapped", LargeBinary),
    _created_at(),
    Column("deleted_at", DateTime(timezone=True)),
)
