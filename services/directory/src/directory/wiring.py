"""What the directory answers with, put together: the process and the tests do it the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc
from mailwire.directory.v1.access_pb2_grpc import add_DirectoryAccessServiceServicer_to_server
from mailwire.directory.v1.certificate_pb2_grpc import add_DirectoryCertificateServiceServicer_to_server
from mailwire.directory.v1.directory_pb2_grpc import (
    add_DirectoryAdminServiceServicer_to_server,
    add_DirectoryServiceServicer_to_server,
)
from mailwire.directory.v1.dkim_pb2_grpc import (
    add_DirectoryDkimServiceServicer_to_server,
    add_DirectorySigningServiceServicer_to_server,
)
from mailwire.directory.v1.identity_pb2_grpc import (
    add_DirectoryIdentityServiceServicer_to_server,
    add_DirectoryRemovalServiceServicer_to_server,
)
from mailwire.directory.v1.keys_pb2_grpc import (
    add_DirectoryDataKeyServiceServicer_to_server,
    add_DirectoryKeyServiceServicer_to_server,
)
from mailwire.directory.v1.ldap_pb2_grpc import add_DirectoryLdapServiceServicer_to_server
from mailwire.directory.v1.lists_pb2_grpc import add_DirectoryListServiceServicer_to_server
from mailwire.directory.v1.membership_pb2_grpc import add_DirectoryMembershipServiceServicer_to_server
from mailwire.directory.v1.openid_pb2_grpc import add_DirectoryOpenidServiceServicer_to_server
from mailwire.directory.v1.policy_pb2_grpc import add_DirectoryPolicyServiceServicer_to_server
from mailwire.directory.v1.quota_pb2_grpc import add_DirectoryQuotaServiceServicer_to_server
from mailwire.directory.v1.scim_pb2_grpc import add_DirectoryScimServiceServicer_to_server
from mailwire.directory.v1.second_factor_pb2_grpc import (
    add_DirectorySecondFactorServiceServicer_to_server,
    add_DirectoryWebLoginServiceServicer_to_server,
)
from mailwire.directory.v1.sharing_pb2_grpc import add_DirectorySharingServiceServicer_to_server
from pgkit import Pool

from directory.adapters.accounts import Accounts, Aliases
from directory.adapters.addresses import Addresses
from directory.adapters.app_passwords import AppPasswords
from directory.adapters.client_certificates import ClientCertificates
from directory.adapters.data_keys import DataKeys
from directory.adapters.delegations import Delegations
from directory.adapters.deleted import DeletedAccounts
from directory.adapters.dkim_keys import DkimKeys
from directory.adapters.issuers import Issuers
from directory.adapters.journal import Journal
from directory.adapters.ldap_binding import LdapServers
from directory.adapters.ldap_sources import LdapSources
from directory.adapters.limits import Limits
from directory.adapters.lists import Lists
from directory.adapters.lookups import SqlLookUps
from directory.adapters.membership import Membership
from directory.adapters.openid_providers import OpenidProviders
from directory.adapters.policies import Policies
from directory.adapters.provisioning import Provisioning
from directory.adapters.second_factors import SecondFactors
from directory.adapters.sharing import Descriptions
from directory.adapters.sign_ins import SignIns
from directory.adapters.tenants import Domains, Tenants
from directory.core.data_keys import KeyProvider, NoProvider
from directory.core.limits import Rules
from directory.core.list_tokens import ListTokens
from directory.core.passwords import Hasher, Verdicts
from directory.core.sealing import Sealer
from directory.edge.access import Access
from directory.edge.certificates import CertificateLogins, CertificateOrders
from directory.edge.data_keys import DataKeyQuestions, KeyOrders, Maker
from directory.edge.hashing import Hashing
from directory.edge.housekeeping import Housekeeping
from directory.edge.identity import Identities, Removals
from directory.edge.ldap import ElsewherePasswords, LdapOrders
from directory.edge.lists import ListOrders
from directory.edge.membership import Members
from directory.edge.openid import OpenidOrders
from directory.edge.orders import Orders
from directory.edge.policies import TenantPolicies
from directory.edge.questions import Questions
from directory.edge.quotas import Quotas
from directory.edge.scim import ScimOrders
from directory.edge.second_factors import SecondFactorOrders, Site, WebLogins
from directory.edge.sharing import Sharing
from directory.edge.signing import DkimOrders, DkimQuestions
from directory.edge.signing_in import SigningIn, utc_now
from directory.edge.tokens import Tokens
from directory.ports import Change, Login, SignInRecord

SERVICES = ["mailwire.directory.v1.DirectoryService", "mailwire.directory.v1.DirectoryAdminService",
            "mailwire.directory.v1.DirectoryAccessService", "mailwire.directory.v1.DirectoryDkimService",
            "mailwire.directory.v1.DirectorySigningService", "mailwire.directory.v1.DirectoryPolicyService",
            "mailwire.directory.v1.DirectoryQuotaService",
            "mailwire.directory.v1.DirectorySharingService",
            "mailwire.directory.v1.DirectoryIdentityService",
            "mailwire.directory.v1.DirectoryRemovalService",
            "mailwire.directory.v1.DirectoryOpenidService",
            "mailwire.directory.v1.DirectoryScimService",
            "mailwire.directory.v1.DirectoryLdapService",
            "mailwire.directory.v1.DirectoryListService",
            "mailwire.directory.v1.DirectoryMembershipService",
            "mailwire.directory.v1.DirectoryCertificateService",
            "mailwire.directory.v1.DirectoryDataKeyService", "mailwire.directory.v1.DirectoryKeyService",
            "mailwire.directory.v1.DirectorySecondFactorService",
            "mailwire.directory.v1.DirectoryWebLoginService"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wiring:
    """The gRPC services, and the two tasks that somebody must run."""

    questions: Questions
    orders: Orders
    access: Access
    dkim: DkimOrders
    signing: DkimQuestions
    policies: TenantPolicies
    quotas: Quotas
    sharing: Sharing
    identities: Identities
    removals: Removals
    openid: OpenidOrders
    scim: ScimOrders
    ldap: LdapOrders
    lists: ListOrders
    members: Members
    certificates: CertificateOrders
    second_factors: SecondFactorOrders
    web_logins: WebLogins
    data_keys: DataKeyQuestions
    key_orders: KeyOrders
    journal: Journal
    housekeeping: Housekeeping

    def register(self, server: grpc.aio.Server) -> list[str]:
        """Give them to a server; their names."""
        add_DirectoryServiceServicer_to_server(self.questions, server)
        add_DirectoryAdminServiceServicer_to_server(self.orders, server)
        add_DirectoryAccessServiceServicer_to_server(self.access, server)
        add_DirectoryDkimServiceServicer_to_server(self.dkim, server)
        add_DirectorySigningServiceServicer_to_server(self.signing, server)
        add_DirectoryPolicyServiceServicer_to_server(self.policies, server)
        add_DirectoryQuotaServiceServicer_to_server(self.quotas, server)
        add_DirectorySharingServiceServicer_to_server(self.sharing, server)
        add_DirectoryIdentityServiceServicer_to_server(self.identities, server)
        add_DirectoryRemovalServiceServicer_to_server(self.removals, server)
        add_DirectoryOpenidServiceServicer_to_server(self.openid, server)
        add_DirectoryScimServiceServicer_to_server(self.scim, server)
        add_DirectoryLdapServiceServicer_to_server(self.ldap, server)
        add_DirectoryListServiceServicer_to_server(self.lists, server)
        add_DirectoryMembershipServiceServicer_to_server(self.members, server)
        add_DirectoryCertificateServiceServicer_to_server(self.certificates, server)
        add_DirectorySecondFactorServiceServicer_to_server(self.second_factors, server)
        add_DirectoryWebLoginServiceServicer_to_server(self.web_logins, server)
        add_DirectoryDataKeyServiceServicer_to_server(self.data_keys, server)
        add_DirectoryKeyServiceServicer_to_server(self.key_orders, server)
        return SERVICES


def build(
    pool: Pool,
    tell: Callable[[Change], None],
    hasher: Hasher,
    verdicts: Verdicts,
    hashing: Hashing,
    rules: Rules,
    secret: bytes,
    scram_iterations: int,
    clock: Callable[[], datetime] = utc_now,
    sealer: Sealer | None = None,
    deleted_kept: timedelta = timedelta(days=30),
    issuers: Issuers | None = None,
    site: Site | None = None,
    ldap_servers: LdapServers | None = None,
    ldap_seconds: float = 60.0,
    notice: Callable[[Login, SignInRecord], None] | None = None,
    key_provider: KeyProvider | None = None,
) -> Wiring:
    """All of it around one pool. `secret` is the one that all processes share; without a sealer nothing is signed,
    with 0 iterations there is no SCRAM.
    """
    tenants, domains, dkim_keys = Tenants(pool), Domains(pool), DkimKeys(pool)
    addresses, deleted = Addresses(pool), DeletedAccounts(pool)
    lookups, accounts, journal, limits = SqlLookUps(pool), Accounts(pool), Journal(pool), Limits(pool, rules)
    sign_ins, providers = SignIns(pool), OpenidProviders(pool, sealer)
    sources = LdapSources(pool, sealer)
    elsewhere = ElsewherePasswords(sources, ldap_servers, ldap_seconds) if ldap_servers is not None else None
    list_tokens = ListTokens(secret)
    factors, certificates = SecondFactors(pool), ClientCertificates(pool)
    tokens = Tokens(providers, issuers) if issuers is not None else None
    signing_in = SigningIn(
        lookups,
        limits,
        rules,
        hasher,
        verdicts,
        hashing,
        journal,
        secret,
        scram_iterations,
        clock,
        tokens,
        CertificateLogins(certificates),
        elsewhere,
        notice,
    )
    orders = Orders(
        tenants,
        domains,
        accounts,
        Aliases(pool),
        hasher,
        hashing,
        scram_iterations,
        tell,
        addresses,
        deleted,
        clock,
    )
    data_keys, provider = DataKeys(pool), key_provider or NoProvider()
    maker = Maker(data_keys, provider)
    return Wiring(
        questions=Questions(lookups, signing_in),
        orders=orders,
        identities=Identities(
            tenants, domains, accounts, addresses, Delegations(pool), deleted, deleted_kept, tell
        ),
        removals=Removals(deleted),
        openid=OpenidOrders(tenants, providers, tell),
        scim=ScimOrders(
            tenants, accounts, addresses, deleted, Provisioning(pool), orders.hashed, tell, clock
        ),
        ldap=LdapOrders(tenants, sources, tell),
        lists=ListOrders(
            tenants, domains, accounts, Lists(pool), addresses, deleted, tell, clock, list_tokens
        ),
        members=Members(Lists(pool), Membership(pool), list_tokens, clock),
        certificates=CertificateOrders(tenants, accounts, certificates, tell, clock),
        second_factors=SecondFactorOrders(accounts, factors, sealer, site, tell, clock),
        web_logins=WebLogins(signing_in, factors, sealer, site, clock),
        access=Access(accounts, AppPasswords(pool), limits, sign_ins, hashing, scram_iterations, tell, clock),
        dkim=DkimOrders(domains, dkim_keys, sealer, tell, clock),
        signing=DkimQuestions(dkim_keys, sealer),
        policies=TenantPolicies(Tenants(pool), accounts, Policies(pool), tell, provider),
        quotas=Quotas(Policies(pool)),
        sharing=Sharing(Descriptions(pool), accounts, domains, addresses, tell),
        data_keys=DataKeyQuestions(data_keys, provider, maker),
        key_orders=KeyOrders(tenants, data_keys, provider, maker, tell),
        journal=journal,
        housekeeping=Housekeeping(limits, sign_ins, deleted, deleted_kept, factors, clock),
    )
