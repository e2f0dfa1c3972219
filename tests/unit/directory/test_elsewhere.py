"""Right passwords of an LDAP server are remembered for that server, as it is asked now, and for nothing else."""

from dataclasses import replace
from typing import Any, cast

from directory.adapters.ldap_binding import LdapServers
from directory.adapters.ldap_sources import LdapSources
from directory.core.ldap import LdapSource
from directory.edge.ldap import ElsewherePasswords

SOURCE = LdapSource("a tenant", "ldaps://ldap.example", "dc=example", bind_dn="cn=reader")


class Servers:
    """Says yes as long as it is told to."""

    def __init__(self) -> None:
        self.yes = True

    async def is_right(self, source: LdapSource, address: str, password: str) -> bool:
        return self.yes


async def test_another_server_is_asked_anew() -> None:
    servers = Servers()
    elsewhere = ElsewherePasswords(cast(LdapSources, None), cast(LdapServers, servers), 60.0)
    assert await elsewhere.is_right(SOURCE, "a@b.test", "password")
    servers.yes = False
    assert await elsewhere.is_right(SOURCE, "a@b.test", "password"), "remembered"
    changes: list[dict[str, Any]] = [
        {"url": "ldaps://other.example"},
        {"base_dn": "dc=other"},
        {"filter": "(uid={local_part})"},
        {"tenant_id": "another tenant"},
    ]
    for change in changes:
        assert not await elsewhere.is_right(replace(SOURCE, **change), "a@b.test", "password"), change
    assert not await elsewhere.is_right(SOURCE, "c@b.test", "password")
    assert not await elsewhere.is_right(SOURCE, "a@b.test", "passwords")
