"""Which list sent a message and whether it has attachments. Empty where version N-1 files it: then it is not known.

What appends (0014) has a later version of itself beside it: version N-1 goes on calling the one that it knows.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = "ALTER TABLE message ADD COLUMN list_id BYTEA, ADD COLUMN has_attachments BOOLEAN"

# As append_1, which says what is what, with `lists` and `attached` beside it.
APPEND = """CREATE FUNCTION append_2(
    waits boolean, tenants uuid[], accounts uuid[], names text[], counts int[], unseens int[], octets bigint[], most_octets bigint[],
    most_messages bigint[],
    items int[], places int[], ids uuid[], bodies uuid[], contents bytea[], keys text[],
    lengths bigint[], digests bytea[], headers bytea[],
    headers_octets int[], envelopes bytea[], bodystructures bytea[], short_structures bytea[], parts bytea[],
    sent timestamptz[], threads bytea[], lists bytea[], attached boolean[], flags smallint[], words text[], dates timestamptz[])
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
                                     lists, attached,
                                     flags, words, dates)
                    AS u(item, place, id, body, content, object_key, length, digest, header, header_octets, envelope,
                         bodystructure, short, parts, sent_at, thread, list, attached, flags, words, internal_date)
                WHERE outcomes[item] = 0 AND tenants[item] = tenants[i]),
            waiting AS (
                INSERT INTO staged_body (body_id, account_id, tenant_id, content)
                SELECT body, accounts[item], tenants[i], content FROM filed),
            messages AS (
                INSERT INTO message (account_id, message_id, tenant_id, object_key, body_offset, body_length, digest,
                                     prefix, header, header_octets, envelope, bodystructure, body, parts, sent_at,
                                     thread_id, list_id, has_attachments)
                SELECT accounts[item], id, tenants[i], object_key, 0, length, digest, '', header, header_octets,
                       envelope, bodystructure, short, parts, sent_at, thread, list, attached
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


def upgrade() -> None:
    """Columns that version N-1 does not look at, and a function that it does not call; no row is rewritten."""
    op.execute(COLUMNS)
    op.execute(APPEND)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
