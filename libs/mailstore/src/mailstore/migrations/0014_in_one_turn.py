"""What clients do one by one is one statement, which enters its tenant, does it and commits: one turn instead of four.

The functions run as who calls them, so the walls between tenants hold in them as ever. A later version of one gets
another name: version N-1 goes on calling this one.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Items (one APPEND each) are in the order of their tenants. An account that somebody else has locked is skipped, unless
# the caller `waits` (with one item): nobody waits for the lock of another's account. Outcomes: 0 filed, 1 no such
# mailbox, 2 no such account (yet), 3 no room, 4 locked.
# `places` are the messages' places within their item, from 0; `items` count from 1, as arrays do here.
APPEND = """CREATE FUNCTION append_1(
    waits boolean, tenants uuid[], accounts uuid[], names text[], counts int[], unseens int[], octets bigint[], most_octets bigint[],
    most_messages bigint[],
    items int[], places int[], ids uuid[], bodies uuid[], contents bytea[], keys text[],
    lengths bigint[], digests bytea[], headers bytea[],
    headers_octets int[], envelopes bytea[], bodystructures bytea[], short_structures bytea[], parts bytea[],
    sent timestamptz[], threads bytea[], flags smallint[], words text[], dates timestamptz[])
RETURNS TABLE (outcome int, mailbox bigint, validity bigint, first_uid bigint, given bigint, kept_octets bigint,
               kept_messages bigint)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
DECLARE
    n int := cardinality(tenants);
    outcomes int[] := array_fill(4, ARRAY[n]);
    mailboxes bigint[] := array_fill(0::bigint, ARRAY[n]);
    validities bigint[] := array_fill(0::bigint, ARRAY[n]);
    uids bigint[] := array_fill(0::bigint, ARRAY[n]);
    modseqs bigint[] := array_fill(0::bigint, ARRAY[n]);
    kept bigint[] := array_fill(0::bigint, ARRAY[n]);
    kept_number bigint[] := array_fill(0::bigint, ARRAY[n]);
    i int;
    has_filed boolean := false;
    a_modseq bigint;
    a_mailbox bigint;
    a_validity bigint;
    an_uid bigint;
    so_many bigint;
    so_much bigint;
BEGIN
    FOR i IN 1 .. n LOOP
        IF i = 1 OR tenants[i] <> tenants[i - 1] THEN
            PERFORM set_config('posthouse.tenant', tenants[i]::text, true);
            has_filed := false;
        END IF;
        IF waits THEN
            UPDATE account a SET modseq = a.modseq + 1 WHERE a.account_id = accounts[i]
                RETURNING a.modseq INTO a_modseq;
        ELSE
            UPDATE account a SET modseq = a.modseq + 1
                WHERE a.account_id = (SELECT x.account_id FROM account x WHERE x.account_id = accounts[i]
                                      FOR NO KEY UPDATE SKIP LOCKED)
                RETURNING a.modseq INTO a_modseq;
        END IF;
        IF FOUND THEN
            IF most_octets[i] > 0 OR most_messages[i] > 0 THEN
                SELECT coalesce(sum(m.size_octets), 0), coalesce(sum(m.messages), 0) INTO so_much, so_many
                    FROM mailbox m WHERE m.account_id = accounts[i];
                kept[i] := so_much + octets[i];
                kept_number[i] := so_many + counts[i];
            END IF;
            IF ((most_octets[i] > 0 AND kept[i] > most_octets[i])
                    OR (most_messages[i] > 0 AND kept_number[i] > most_messages[i]))
                    AND EXISTS (SELECT FROM mailbox m WHERE m.account_id = accounts[i] AND m.name = names[i]) THEN
                outcomes[i] := 3;
            ELSE
                UPDATE mailbox m SET uid_next = m.uid_next + counts[i], highest_modseq = a_modseq,
                        messages = m.messages + counts[i], unseen = m.unseen + unseens[i],
                        size_octets = m.size_octets + octets[i]
                    WHERE m.account_id = accounts[i] AND m.name = names[i]
                    RETURNING m.mailbox_id, m.uid_validity, m.uid_next - counts[i]
                    INTO a_mailbox, a_validity, an_uid;
                IF FOUND THEN
                    outcomes[i] := 0;
                    mailboxes[i] := a_mailbox;
                    validities[i] := a_validity;
                    uids[i] := an_uid;
                    modseqs[i] := a_modseq;
                    has_filed := true;
                ELSE
                    outcomes[i] := 1;
                END IF;
            END IF;
        ELSIF NOT EXISTS (SELECT FROM account WHERE account_id = accounts[i]) THEN
            outcomes[i] := 2;
        END IF;
        IF has_filed AND (i = n OR tenants[i + 1] <> tenants[i]) THEN
            WITH filed AS MATERIALIZED (
                SELECT * FROM unnest(items, places, ids, bodies, contents, keys, lengths, digests, headers,
                                     headers_octets, envelopes, bodystructures, short_structures, parts, sent, threads,
                                     flags, words, dates)
                    AS u(item, place, id, body, content, object_key, length, digest, header, header_octets, envelope,
                         bodystructure, short, parts, sent_at, thread, flags, words, internal_date)
                WHERE outcomes[item] = 0 AND tenants[item] = tenants[i]),
            waiting AS (
                INSERT INTO staged_body (body_id, account_id, tenant_id, content)
                SELECT body, accounts[item], tenants[i], content FROM filed),
            messages AS (
                INSERT INTO message (account_id, message_id, tenant_id, object_key, body_offset, body_length, digest,
                                     prefix, header, header_octets, envelope, bodystructure, body, parts, sent_at,
                                     thread_id)
                SELECT accounts[item], id, tenants[i], object_key, 0, length, digest, '', header, header_octets,
                       envelope, bodystructure, short, parts, sent_at, thread
                FROM filed)
            INSERT INTO entry (account_id, mailbox_id, uid, tenant_id, message_id, modseq, system_flags, keywords,
                               size_octets, internal_date)
            SELECT accounts[item], mailboxes[item], uids[item] + place, tenants[i], id, modseqs[item], flags,
                   CASE WHEN words = '' THEN '{}'::text[] ELSE string_to_array(words, ' ') END, length,
                   internal_date
            FROM filed;
        END IF;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(outcomes, mailboxes, validities, uids, modseqs, kept, kept_number);
END $function$"""

# A STORE of a mailbox's owner. Keywords are one whatever their case and keep the spelling that came first; they are kept
# in the order of their octets. A message whose flags stay as they were keeps its MODSEQ. The first row is of the mailbox
# (uid 0): its MODSEQ before, and after. No row: there is no such mailbox, or account.
STORE_FLAGS = """CREATE FUNCTION store_flags_1(
    tenant uuid, owner uuid, mailbox bigint, uids bigint[], act int, bits smallint, words text[],
    unchanged_since bigint)
RETURNS TABLE (uid bigint, modseq bigint, system_flags smallint, keywords text[], passed boolean, altered boolean)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
DECLARE
    next_modseq bigint;
    before bigint;
    was record;
    bits_after smallint;
    passes boolean;
BEGIN
    PERFORM set_config('posthouse.tenant', tenant::text, true);
    UPDATE account a SET modseq = a.modseq + 1 WHERE a.account_id = owner RETURNING a.modseq INTO next_modseq;
    SELECT m.highest_modseq INTO before FROM mailbox m WHERE m.account_id = owner AND m.mailbox_id = mailbox;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF act <> 3 AND cardinality(uids) = 1 AND cardinality(words) = 0 THEN
        -- One message and no keywords: most of all STOREs, in the fewest steps.
        SELECT e.modseq, e.system_flags, e.keywords INTO was FROM entry e
            WHERE e.account_id = owner AND e.mailbox_id = mailbox AND e.uid = uids[1];
        IF NOT FOUND THEN
            RETURN QUERY SELECT 0::bigint, before, 0::smallint, words, false, false;
            RETURN;
        END IF;
        bits_after := CASE act WHEN 1 THEN was.system_flags | bits ELSE was.system_flags & ~bits END;
        passes := was.modseq <= unchanged_since;
        IF passes AND bits_after <> was.system_flags THEN
            UPDATE entry e SET system_flags = bits_after, modseq = next_modseq
                WHERE e.account_id = owner AND e.mailbox_id = mailbox AND e.uid = uids[1];
            UPDATE mailbox m SET highest_modseq = next_modseq,
                    unseen = m.unseen + (bits_after & 1 = 0)::int - (was.system_flags & 1 = 0)::int
                WHERE m.account_id = owner AND m.mailbox_id = mailbox;
            RETURN QUERY VALUES (0::bigint, before, 0::smallint, words, false, true),
                (uids[1], next_modseq, bits_after, was.keywords, true, true);
        ELSE
            RETURN QUERY VALUES (0::bigint, before, 0::smallint, words, false, false),
                (uids[1], was.modseq, CASE WHEN passes THEN bits_after ELSE was.system_flags END, was.keywords, passes,
                 false);
        END IF;
        RETURN;
    END IF;
    RETURN QUERY
    WITH after AS MATERIALIZED (
        SELECT e.place, e.uid, e.modseq, e.old, s.system_flags, k.keywords, e.modseq <= unchanged_since AS passed,
               e.modseq <= unchanged_since AND (e.old <> s.system_flags OR e.had <> k.keywords) AS altered
        FROM unnest(uids) AS wanted(uid)
        CROSS JOIN LATERAL (SELECT entry.ctid AS place, entry.uid, entry.modseq, entry.system_flags AS old,
                                   entry.keywords AS had
            FROM entry WHERE entry.account_id = owner AND entry.mailbox_id = mailbox AND entry.uid = wanted.uid
            OFFSET 0) e
        CROSS JOIN LATERAL (SELECT (CASE act WHEN 1 THEN e.old | bits WHEN 2 THEN e.old & ~bits ELSE bits END)::smallint
            AS system_flags OFFSET 0) s
        CROSS JOIN LATERAL (SELECT CASE
            WHEN act = 3 THEN words
            WHEN words = '{}' THEN e.had
            WHEN act = 1 THEN ARRAY(SELECT w FROM (
                    SELECT unnest(e.had) AS w UNION ALL
                    SELECT added FROM unnest(words) AS added
                    WHERE NOT EXISTS (SELECT FROM unnest(e.had) AS kept WHERE lower(kept) = lower(added))) AS both_of_them
                ORDER BY w COLLATE "C")
            ELSE ARRAY(SELECT w FROM unnest(e.had) AS w
                WHERE NOT EXISTS (SELECT FROM unnest(words) AS removed WHERE lower(removed) = lower(w))
                ORDER BY w COLLATE "C") END AS keywords OFFSET 0) k),
    written AS (
        UPDATE entry t SET system_flags = a.system_flags, keywords = a.keywords, modseq = next_modseq
        FROM after a WHERE t.ctid = a.place AND a.altered),
    counted AS (
        UPDATE mailbox m SET highest_modseq = next_modseq, unseen = m.unseen + c.unseen
        FROM (SELECT count(*) AS entries,
                     coalesce(sum((a.system_flags & 1 = 0)::int - (a.old & 1 = 0)::int), 0) AS unseen
              FROM after a WHERE a.altered) c
        WHERE m.account_id = owner AND m.mailbox_id = mailbox AND c.entries > 0)
    SELECT 0::bigint, before, 0::smallint, '{}'::text[], false, EXISTS (SELECT FROM after x WHERE x.altered)
    UNION ALL
    SELECT a.uid, CASE WHEN a.altered THEN next_modseq ELSE a.modseq END, a.system_flags, a.keywords, a.passed, a.altered
    FROM after a
    ORDER BY 1;
END $function$"""

# Whether anything has changed in a mailbox: what most looks find out. No row: there is no such mailbox.
LOOK = """CREATE FUNCTION look_1(tenant uuid, owner uuid, mailbox bigint)
RETURNS TABLE (highest_modseq bigint, uid_next bigint, forgotten_modseq bigint)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
BEGIN
    PERFORM set_config('posthouse.tenant', tenant::text, true);
    RETURN QUERY SELECT m.highest_modseq, m.uid_next, m.forgotten_modseq FROM mailbox m
        WHERE m.account_id = owner AND m.mailbox_id = mailbox;
END $function$"""


def upgrade() -> None:
    """Functions that version N-1 does not call."""
    for statement in (APPEND, STORE_FLAGS, LOOK):
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
