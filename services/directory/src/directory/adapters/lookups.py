"""The questions of the mail services as SQL: one query a request, in the operator's scope."""

from collections.abc import Sequence
from datetime import datetime

from pgkit import OPERATOR, Pool, transaction

from directory.core.app_passwords import AppCredential
from directory.core.guests import Guest
from directory.core.list_tokens import account_of_copy, list_of_short_name
from directory.core.resolving import Found
from directory.core.scram import ScramCandidate, ScramKeys, ScramMaterial
from directory.ports import Login

FOUND = """
SELECT k.local_part, k.domain, d.tenant_id, d.suspended OR t.suspended OR coalesce(c.suspended, false)
           OR coalesce(a.domain = e.name AND e.suspended, false) AS suspended,
       CASE WHEN cardinality(d.catch_all) > 0 OR e.catch_all IS NULL THEN d.catch_all ELSE e.catch_all END AS catch_all,
       a.local_part IS NOT NULL AS exists, a.account_id, p.local_part || '@' || p.domain AS primary_address,
       (SELECT array_agg(g.target ORDER BY g.place) FROM alias_target g
        WHERE a.account_id IS NULL AND g.domain = a.domain AND g.local_part = a.local_part) AS targets
FROM unnest($1::text[], $2::text[]) AS k(local_part, domain)
JOIN domain d ON d.name = k.domain
JOIN tenant t ON t.tenant_id = d.tenant_id
LEFT JOIN domain e ON e.name = d.alias_of
LEFT JOIN LATERAL (SELECT * FROM address o WHERE o.domain IN (d.name, d.alias_of) AND o.local_part = k.local_part
                   ORDER BY o.domain = d.name DESC LIMIT 1) a ON true
LEFT JOIN account c ON c.account_id = a.account_id
LEFT JOIN address p ON p.account_id = a.account_id AND p.is_primary"""

# RFC 5321 §4.5.1: every domain accepts mail for postmaster. Where nobody is named so, the oldest account of the domain has it.
POSTMASTERS = """
SELECT DISTINCT ON (a.domain) a.domain, a.account_id, a.local_part || '@' || a.domain AS primary_address, a.tenant_id
FROM address a JOIN account c ON c.account_id = a.account_id
WHERE a.domain = ANY($1::text[]) AND a.is_primary AND NOT c.suspended
      AND NOT EXISTS (SELECT FROM mailing_list m WHERE m.account_id = c.account_id)
ORDER BY a.domain, a.created_at, a.local_part"""

# A list by its short name, in the domains of its own address.
SHORT_NAMES = """
SELECT k.local_part, d.name AS domain, d.tenant_id, a.account_id, a.local_part || '@' || a.domain AS primary_address,
       d.suspended OR t.suspended OR c.suspended OR (a.domain = e.name AND e.suspended) IS TRUE AS suspended
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k(local_part, domain, account_id)
JOIN domain d ON d.name = k.domain
JOIN tenant t ON t.tenant_id = d.tenant_id
LEFT JOIN domain e ON e.name = d.alias_of
JOIN mailing_list m ON m.account_id = k.account_id
JOIN account c ON c.account_id = m.account_id
JOIN address a ON a.account_id = m.account_id AND a.is_primary AND a.domain IN (d.name, d.alias_of)"""

# An account by its id, in the domains of any of its addresses.
OF_COPIES = """
SELECT k.local_part, d.name AS domain, d.tenant_id, c.account_id, p.local_part || '@' || p.domain AS primary_address,
       d.suspended OR t.suspended OR c.suspended AS suspended
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k(local_part, domain, account_id)
JOIN domain d ON d.name = k.domain
JOIN tenant t ON t.tenant_id = d.tenant_id
JOIN account c ON c.account_id = k.account_id
JOIN address p ON p.account_id = c.account_id AND p.is_primary
WHERE EXISTS (SELECT FROM address a WHERE a.account_id = c.account_id AND a.domain IN (d.name, d.alias_of))"""

# An address by its own domain first, then by the one that that is an alias of.
LOGIN = """
SELECT c.account_id, c.tenant_id, c.store, c.roles, p.local_part || '@' || p.domain AS address,
       c.suspended OR t.suspended OR d.suspended OR e.suspended AS suspended,
       v.verifier, v.created_at AS password_set_at, c.scram_salt, v.scram_iterations, v.scram_stored_key, v.scram_server_key,
       v.credential_id IS NOT DISTINCT FROM $4::uuid AND $4 IS NOT NULL AS is_password,
       k.credential_id, k.scopes, k.expires_at,
       EXISTS (SELECT FROM second_factor f WHERE f.account_id = c.account_id AND f.confirmed) AS has_second_factor,
       ARRAY(SELECT g.local_part || '@' || g.domain FROM delegation g
             WHERE g.account_id = c.account_id AND g.send_right = 'send_as' ORDER BY 1) AS may_send_as,
       ARRAY(SELECT g.local_part || '@' || g.domain FROM delegation g
             WHERE g.account_id = c.account_id AND g.send_right = 'send_on_behalf' ORDER BY 1) AS may_send_on_behalf_of
FROM (SELECT o.* FROM domain n JOIN address o ON o.domain IN (n.name, n.alias_of)
      WHERE n.name = $2 AND o.local_part = $1 ORDER BY o.domain = n.name DESC LIMIT 1) a
JOIN account c ON c.account_id = a.account_id
JOIN tenant t ON t.tenant_id = c.tenant_id
JOIN domain d ON d.name = $2
JOIN domain e ON e.name = a.domain
JOIN address p ON p.account_id = c.account_id AND p.is_primary
LEFT JOIN credential v ON v.account_id = c.account_id AND v.kind = 'password'
LEFT JOIN credential k ON k.account_id = c.account_id AND k.kind = 'app' AND (k.verifier = $3 OR k.credential_id = $4)"""


# An app password counts where it opens the door. Keys of other iterations than the password's cannot be offered with it.
SCRAM = """
SELECT c.scram_salt, v.credential_id, v.scram_iterations, v.scram_stored_key, v.scram_server_key
FROM (SELECT o.* FROM domain n JOIN address o ON o.domain IN (n.name, n.alias_of)
      WHERE n.name = $2 AND o.local_part = $1 ORDER BY o.domain = n.name DESC LIMIT 1) a
JOIN account c ON c.account_id = a.account_id
LEFT JOIN credential v ON v.account_id = c.account_id AND v.scram_iterations IS NOT NULL
    AND (v.kind = 'password' AND NOT EXISTS (SELECT FROM second_factor f WHERE f.account_id = c.account_id AND f.confirmed)
             AND NOT EXISTS (SELECT FROM ldap_source l WHERE l.tenant_id = c.tenant_id)
         OR v.kind = 'app' AND $3 = ANY(v.scopes) AND (v.expires_at IS NULL OR v.expires_at > $4))
ORDER BY v.kind DESC NULLS LAST, v.created_at, v.credential_id"""


BARRED = """
SELECT g.place FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
    WITH ORDINALITY AS g(account_id, app_id, set_at, fingerprint, place)
WHERE NOT EXISTS (
    SELECT FROM account c JOIN tenant t ON t.tenant_id = c.tenant_id
    JOIN address p ON p.account_id = c.account_id AND p.is_primary JOIN domain d ON d.name = p.domain
    WHERE c.account_id = g.account_id AND NOT (c.suspended OR t.suspended OR d.suspended))
OR g.app_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM credential k WHERE k.account_id = g.account_id AND k.kind = 'app' AND k.credential_id = g.app_id)
OR g.set_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM credential v WHERE v.account_id = g.account_id AND v.kind = 'password' AND v.created_at = g.set_at)
OR g.set_at IS NOT NULL AND EXISTS (
    SELECT FROM second_factor f WHERE f.account_id = g.account_id AND f.confirmed)
OR g.fingerprint IS NOT NULL AND NOT EXISTS (
    SELECT FROM client_certificate x WHERE x.account_id = g.account_id AND x.fingerprint = g.fingerprint)"""


class SqlLookUps:
    """Satisfies ports.LookUps. Raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def found(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(FOUND, [key[0] for key in keys], [key[1] for key in keys])
            answers = {
                (row["local_part"], row["domain"]): Found(
                    tenant_id=str(row["tenant_id"]),
                    account_id=str(row["account_id"]) if row["account_id"] else None,
                    primary_address=row["primary_address"] or "",
                    alias_targets=tuple(row["targets"] or ()),
                    suspended=row["suspended"],
                    exists=row["exists"],
                    catch_all=tuple(row["catch_all"]),
                )
                for row in rows
            }
            for query, id_of in ((SHORT_NAMES, list_of_short_name), (OF_COPIES, account_of_copy)):
                made = {
                    key: account_id
                    for key, each in answers.items()
                    if not each.exists and (account_id := id_of(key[0])) is not None
                }
                if not made:
                    continue
                for row in await connection.fetch(
                    query, [key[0] for key in made], [key[1] for key in made], list(made.values())
                ):
                    answers[(row["local_part"], row["domain"])] = Found(
                        tenant_id=str(row["tenant_id"]),
                        account_id=str(row["account_id"]),
                        primary_address=row["primary_address"],
                        suspended=row["suspended"],
                    )
            orphans = [
                key[1] for key, found in answers.items() if key[0] == "postmaster" and not found.exists
            ]
            if orphans:
                for row in await connection.fetch(POSTMASTERS, orphans):
                    answers[("postmaster", row["domain"])] = Found(
                        tenant_id=str(row["tenant_id"]),
                        account_id=str(row["account_id"]),
                        primary_address=row["primary_address"],
                        suspended=answers[("postmaster", row["domain"])].suspended,
                    )
        return answers

    async def login(self, local_part: str, domain: str, app_verifier: str) -> Login | None:
        return await self._login(local_part, domain, app_verifier, None)

    async def login_of_credential(self, local_part: str, domain: str, credential_id: str) -> Login | None:
        return await self._login(local_part, domain, "", credential_id)

    async def _login(
        self, local_part: str, domain: str, app_verifier: str, credential_id: str | None
    ) -> Login | None:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(LOGIN, local_part, domain, app_verifier, credential_id)
        if row is None:
            return None
        return Login(
            account_id=str(row["account_id"]),
            tenant_id=str(row["tenant_id"]),
            address=row["address"],
            store=row["store"],
            verifier=row["verifier"],
            suspended=row["suspended"],
            app=AppCredential(str(row["credential_id"]), tuple(row["scopes"]), row["expires_at"])
            if row["credential_id"] is not None
            else None,
            scram_salt=row["scram_salt"],
            scram=ScramKeys(row["scram_iterations"], row["scram_stored_key"], row["scram_server_key"])
            if row["scram_iterations"] is not None
            else None,
            is_password=row["is_password"],
            password_set_at=row["password_set_at"],
            has_second_factor=row["has_second_factor"],
            may_send_as=tuple(row["may_send_as"]),
            may_send_on_behalf_of=tuple(row["may_send_on_behalf_of"]),
            roles=tuple(row["roles"]),
        )

    async def barred(self, guests: Sequence[Guest]) -> list[int]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                BARRED,
                [each.account_id for each in guests],
                [each.app_password_id for each in guests],
                [each.password_set_at for each in guests],
                [each.fingerprint for each in guests],
            )
        return [row["place"] - 1 for row in rows]

    async def scram(self, local_part: str, domain: str, door: str, now: datetime) -> ScramMaterial | None:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(SCRAM, local_part, domain, door, now)
        if not rows:
            return None
        iterations = rows[0]["scram_iterations"] or 0
        return ScramMaterial(
            salt=rows[0]["scram_salt"],
            iterations=iterations,
            candidates=tuple(
                ScramCandidate(str(row["credential_id"]), row["scram_stored_key"], row["scram_server_key"])
                for row in rows
                if iterations and row["scram_iterations"] == iterations
            ),
        )

    async def add_scram(self, login: Login, verifier: str, keys: ScramKeys) -> None:
        async with transaction(self._pool, login.tenant_id) as connection:
            await connection.execute(
                """UPDATE credential SET scram_iterations = $3, scram_stored_key = $4, scram_server_key = $5
                   WHERE account_id = $1::uuid AND kind = 'password' AND verifier = $2""",
                login.account_id,
                verifier,
                keys.iterations,
                keys.stored_key,
                keys.server_key,
            )

    async def replace_verifier(self, login: Login, verifier: str) -> None:
        async with transaction(self._pool, login.tenant_id) as connection:
            await connection.execute(
                """UPDATE credential SET verifier = $3
                   WHERE account_id = $1::uuid AND kind = 'password' AND verifier = $2""",
                login.account_id,
                login.verifier,
                verifier,
            )
