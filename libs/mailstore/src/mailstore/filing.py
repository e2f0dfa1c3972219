"""Filing messages: delivery (many accounts, once each) and APPEND (one mailbox).

Delivery is the hot path. A batch is one transaction with a fixed number of
statements for each tenant, however many messages it holds: lock the accounts,
look at their mailboxes, insert the delivery records (what is there already was
filed before), then messages and entries, then the counters. UIDs are given
here, between lock and commit, so they become visible in ascending order.

An account that has no row yet is provisioned in a transaction of its own, and
the batch begins again: to create one while others are locked could deadlock.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from mailmodel import INBOX, AccountRef, SystemFlag
from mailmodel.mailbox_name import canonical
from mailmodel.quota import Quota, QuotaLimits
from pgkit import Connection, Pool, transaction
from pgkit.tenancy import enter_tenant

from mailstore import rows, staging
from mailstore.errors import MailboxMissing
from mailstore.quotas import Quotas, limits_of
from mailstore.types import Delivery, MailboxChange, NewMessage, Outcome

# All in one statement: each by itself would be a round trip. Keywords come as one text each, separated by spaces: arrays
# of arrays must be rectangular.
INSERT = f"""
WITH waiting AS ({staging.INSERT}),
messages AS (
    INSERT INTO message (account_id, message_id, tenant_id, object_key, body_offset, body_length, digest, prefix,
                         header, header_octets, envelope, bodystructure, body, parts, sent_at, thread_id,
                         list_id, has_attachments)
    SELECT a, i, $1, k, o, l, d, p, h, ho, e, bs, b, pa, s, th, li, at
    FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[],
                $12::bytea[], $13::int[], $14::bytea[], $15::bytea[], $16::bytea[], $17::bytea[], $18::timestamptz[],
                $19::bytea[], $34::bytea[], $35::boolean[])
         AS u(a, i, k, o, l, d, p, h, ho, e, bs, b, pa, s, th, li, at)),
entries AS (
    INSERT INTO entry (account_id, mailbox_id, uid, tenant_id, message_id, modseq, system_flags, keywords,
                       size_octets, internal_date)
    SELECT a, m, u, $1, i, q, f, CASE WHEN w = '' THEN '{{}}'::text[] ELSE string_to_array(w, ' ') END, z, d
    FROM unnest($5::uuid[], $20::bigint[], $21::bigint[], $6::uuid[], $22::bigint[], $23::smallint[], $24::text[],
                $25::bigint[], $26::timestamptz[]) AS t(a, m, u, i, q, f, w, z, d))
UPDATE mailbox SET uid_next = t.n, highest_modseq = t.q, messages = messages + t.c, unseen = unseen + t.s,
                   size_octets = size_octets + t.z
FROM unnest($27::uuid[], $28::bigint[], $29::bigint[], $30::bigint[], $31::int[], $32::int[], $33::bigint[])
     AS t(a, m, n, q, c, s, z)
WHERE mailbox.account_id = t.a AND mailbox.mailbox_id = t.m"""  # noqa: S608


class _NotProvisioned(Exception):
    """These accounts have no row yet."""

    def __init__(self, tenant_id: str, account_ids: list[str]) -> None:
        super().__init__(tenant_id, account_ids)
        self.tenant_id = tenant_id
        self.account_ids = account_ids


@dataclass(slots=True)
class Place:
    """A mailbox that is being filed into; its account is locked."""

    account: AccountRef
    mailbox_id: int
    uid_next: int
    modseq: int
    filed: int = 0
    unseen: int = 0
    size_octets: int = 0


async def insert(
    connection: Connection, tenant_id: str, filed: Sequence[tuple[Place, NewMessage]]
) -> list[int]:
    """File messages of one tenant into locked mailboxes; their UIDs in order. Counters included."""
    tenant = UUID(tenant_id)
    accounts, ids, mailboxes, uids, modseqs = [], [], [], [], []
    for place, new in filed:
        accounts.append(UUID(place.account.account_id))
        ids.append(uuid4())
        mailboxes.append(place.mailbox_id)
        uids.append(place.uid_next)
        modseqs.append(place.modseq)
        place.uid_next += 1
        place.filed += 1
        place.unseen += not new.flags.system & SystemFlag.SEEN
        place.size_octets += new.size_octets
    messages = [new for _, new in filed]
    places = list({id(place): place for place, _ in filed}.values())
    await connection.execute(
        INSERT,
        tenant,
        *staging.waiting(accounts, [new.body for new in messages]),
        accounts,
        ids,
        [new.body.object_key for new in messages],
        [new.body.offset for new in messages],
        [new.body.length for new in messages],
        [new.body.digest for new in messages],
        [new.prefix for new in messages],
        [new.facts.header for new in messages],
        [new.facts.header_octets for new in messages],
        [new.facts.envelope for new in messages],
        [new.facts.bodystructure for new in messages],
        [new.facts.body for new in messages],
        [new.facts.parts for new in messages],
        [new.facts.sent_at for new in messages],
        [new.thread_id(key.bytes) for new, key in zip(messages, ids, strict=True)],
        mailboxes,
        uids,
        modseqs,
        [int(new.flags.system) for new in messages],
        [" ".join(sorted(new.flags.keywords)) for new in messages],
        [new.size_octets for new in messages],
        [new.internal_date for new in messages],
        [UUID(place.account.account_id) for place in places],
        [place.mailbox_id for place in places],
        [place.uid_next for place in places],
        [place.modseq for place in places],
        [place.filed for place in places],
        [place.unseen for place in places],
        [place.size_octets for place in places],
        [new.facts.list_id for new in messages],
        [new.facts.has_attachments for new in messages],
    )
    return uids


@dataclass(slots=True)
class Filed:
    """What became of each delivery of a batch, the mailboxes that changed, what limited accounts keep now."""

    outcomes: list[Outcome]
    changes: list[MailboxChange]
    quotas: list[Quota]


async def deliver(pool: Pool, quotas: Quotas, deliveries: Sequence[Delivery]) -> Filed:
    """File a batch in one transaction.

    Raises MailboxMissing (nothing is filed then) and StoreUnavailable (then it may have been; ask again).
    """
    by_tenant: dict[str, list[int]] = defaultdict(list)
    for number, delivery in enumerate(deliveries):
        by_tenant[delivery.account.tenant_id].append(number)
    limits = await quotas.limits(each.account for each in deliveries if each.new is not None)
    provisioned: set[str] = set()
    while True:
        try:
            return await _deliver(pool, quotas, limits, deliveries, by_tenant)
        except _NotProvisioned as missing:
            if missing.tenant_id in provisioned:
                # It exists, in another tenant.
                raise MailboxMissing(INBOX) from None
            provisioned.add(missing.tenant_id)
            async with transaction(pool, missing.tenant_id) as connection:
                await rows.provision(connection, missing.tenant_id, missing.account_ids)


async def _deliver(
    pool: Pool,
    quotas: Quotas,
    limits: Mapping[str, QuotaLimits],
    deliveries: Sequence[Delivery],
    by_tenant: dict[str, list[int]],
) -> Filed:
    result = Filed([Outcome.REPEATED] * len(deliveries), [], [])
    tenants = sorted(by_tenant)
    async with transaction(pool, tenants[0]) as connection:
        for tenant_id in tenants:
            if tenant_id != tenants[0]:
                await enter_tenant(connection, tenant_id)
            numbers = by_tenant[tenant_id]
            batch = [deliveries[n] for n in numbers]
            done = await _deliver_to_tenant(connection, tenant_id, quotas, limits, batch)
            for number, outcome in zip(numbers, done.outcomes, strict=True):
                result.outcomes[number] = outcome
            result.changes += done.changes
            result.quotas += done.quotas
    return result


def _key(delivery: Delivery) -> tuple[str, str]:
    name = delivery.mailbox_name
    return delivery.account.account_id, name if name == INBOX else canonical(name)


async def _deliver_to_tenant(
    connection: Connection,
    tenant_id: str,
    quotas: Quotas,
    limits: Mapping[str, QuotaLimits],
    deliveries: Sequence[Delivery],
) -> Filed:
    wanted = [_key(d) for d in deliveries]
    keys = [(d.account.account_id, d.queue_id, d.recipient) for d in deliveries]
    places, new, refused = await _open(
        connection, tenant_id, sorted(set(wanted)), keys, [each.refused for each in deliveries]
    )
    outcomes = [Outcome.REFUSED if key in refused else Outcome.REPEATED for key in keys]
    filed: list[tuple[int, Place, NewMessage]] = []
    for number, (key, place, delivery) in enumerate(zip(keys, wanted, deliveries, strict=True)):
        # A key twice in one batch is filed once.
        if key in new:
            new.remove(key)
            outcomes[number] = Outcome.FILED
            if delivery.new is not None:
                filed.append((number, places[place], delivery.new))
    kept: list[Quota] = []
    here = {key: each for key, each in limits.items() if filed and any(key == k for k, _ in places)}
    if here:
        wished = [
            (place.account.account_id, each.size_octets, deliveries[n].is_notice) for n, place, each in filed
        ]
        fits, kept = await quotas.divide(connection, tenant_id, here, wished)
        too_much = [n for (n, _, _), fit in zip(filed, fits, strict=True) if not fit]
        filed = [each for each, fit in zip(filed, fits, strict=True) if fit]
        for number in too_much:
            outcomes[number] = Outcome.OVER_QUOTA
        if too_much:
            await _unsettle(connection, [keys[number] for number in too_much])
    if filed:
        await insert(connection, tenant_id, [(place, each) for _, place, each in filed])
    changes = [MailboxChange(p.account, p.mailbox_id, p.modseq) for p in places.values() if p.filed]
    return Filed(outcomes, changes, kept)


async def _unsettle(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> None:
    """These deliveries, noted a moment ago, did not come to be."""
    await connection.execute(
        """DELETE FROM delivery d USING unnest($1::uuid[], $2::text[], $3::text[]) AS t(a, q, r)
           WHERE d.account_id = t.a AND d.queue_id = t.q AND d.recipient = t.r""",
        [UUID(key[0]) for key in keys],
        [key[1] for key in keys],
        [key[2] for key in keys],
    )


async def _open(
    connection: Connection,
    tenant_id: str,
    wanted: Sequence[tuple[str, str]],
    keys: Sequence[tuple[str, str, str]],
    statuses: Sequence[str | None],
) -> tuple[dict[tuple[str, str], Place], set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Lock the accounts of (account, mailbox name) pairs and look where the mailboxes stand.

    And note the deliveries (account, queue id, recipient): those that were not known, and those that were refused before.
    """
    accounts = sorted({account_id for account_id, _ in wanted})
    found = await connection.fetch(
        "SELECT * FROM open_delivery_2($1, $2, $3, $4, $5, $6, $7, $8)",
        UUID(tenant_id),
        [UUID(account_id) for account_id in accounts],
        [UUID(account_id) for account_id, _ in wanted],
        [name for _, name in wanted],
        [UUID(account_id) for account_id, _, _ in keys],
        [queue_id for _, queue_id, _ in keys],
        [recipient for _, _, recipient in keys],
        statuses,
    )
    modseqs: dict[str, int] = {}
    places: dict[tuple[str, str], Place] = {}
    new: set[tuple[str, str, str]] = set()
    refused: set[tuple[str, str, str]] = set()
    for kind, owner, name, recipient, number, uid_next in found:
        account_id = str(owner)
        if kind == "account":
            modseqs[account_id] = number
        elif kind == "mailbox":
            if account_id not in modseqs:
                # Somebody made the account a moment after it was to be locked: the batch begins again.
                continue
            account = AccountRef(tenant_id, account_id)
            places[account_id, name] = Place(account, number, uid_next, modseqs[account_id])
        elif kind == "refused":
            refused.add((account_id, name, recipient))
        else:
            new.add((account_id, name, recipient))
    if len(modseqs) < len(accounts):
        raise _NotProvisioned(tenant_id, [each for each in accounts if each not in modseqs])
    for key in wanted:
        if key not in places:
            raise MailboxMissing(key[1])
    return places, new, refused


async def append(
    pool: Pool, quotas: Quotas, account: AccountRef, mailbox_id: int, messages: Sequence[NewMessage]
) -> tuple[list[int], MailboxChange]:
    """APPEND: all or none; the UIDs. Raises MailboxMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([account]), account)
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        row = await rows.mailbox_row(connection, account, mailbox_id)
        octets = sum(new.size_octets for new in messages)
        await quotas.check(connection, account, limits, octets, len(messages))
        place = Place(account, mailbox_id, row["uid_next"], modseq)
        uids = await insert(connection, account.tenant_id, [(place, new) for new in messages])
    return uids, MailboxChange(account, mailbox_id, modseq)
