"""Which services may call what here (`servicekit.identity.Guard`). What is not listed, nobody may."""

DIRECTORY = "mailwire.directory.v1."
DOORS = ("smtp-gateway", "imap", "pop3", "managesieve")

ALLOWED = {
    f"{DIRECTORY}DirectoryService/ResolveRecipients": ("smtp-gateway", "mda", "mta-queue", "admin-api"),
    f"{DIRECTORY}DirectoryService/Authenticate": (*DOORS, "admin-api"),
    f"{DIRECTORY}DirectoryService/AuthenticateToken": (*DOORS, "admin-api"),
    f"{DIRECTORY}DirectoryService": DOORS,
    f"{DIRECTORY}DirectoryAdminService": ("admin-api",),
    f"{DIRECTORY}DirectoryAccessService": ("admin-api",),
    f"{DIRECTORY}DirectoryDkimService": ("admin-api",),
    f"{DIRECTORY}DirectoryIdentityService": ("admin-api",),
    f"{DIRECTORY}DirectoryRemovalService": ("mda", "admin-api"),
    f"{DIRECTORY}DirectoryOpenidService": ("admin-api",),
    f"{DIRECTORY}DirectoryLdapService": ("admin-api",),
    f"{DIRECTORY}DirectoryListService/FindLists": ("mda",),
    f"{DIRECTORY}DirectoryListService/GetMemberPage": ("mda",),
    f"{DIRECTORY}DirectoryListService/FindMembers": ("mda",),
    # What a member asks for by mail.
    f"{DIRECTORY}DirectoryListService/RemoveMembers": ("mda", "admin-api"),
    f"{DIRECTORY}DirectoryListService": ("admin-api",),
    f"{DIRECTORY}DirectoryMembershipService/ReadLeave": ("admin-api",),
    f"{DIRECTORY}DirectoryMembershipService/Leave": ("admin-api",),
    f"{DIRECTORY}DirectoryMembershipService/RecordBounce": ("mda",),
    f"{DIRECTORY}DirectoryMembershipService/StartSubscription": ("mda",),
    f"{DIRECTORY}DirectoryMembershipService/FinishSubscription": ("mda",),
    f"{DIRECTORY}DirectoryMembershipService/ExpandList": ("smtp-gateway",),
    f"{DIRECTORY}DirectoryScimService": ("admin-api",),
    f"{DIRECTORY}DirectoryCertificateService": ("admin-api",),
    f"{DIRECTORY}DirectorySecondFactorService": ("admin-api",),
    f"{DIRECTORY}DirectoryWebLoginService": ("admin-api",),
    # Private keys leave only for who signs.
    f"{DIRECTORY}DirectorySigningService": ("smtp-gateway", "mta-queue"),
    f"{DIRECTORY}DirectorySharingService/CreateSharedAccount": ("admin-api",),
    f"{DIRECTORY}DirectorySharingService": ("imap", "mda", "admin-api"),
    f"{DIRECTORY}DirectoryQuotaService": ("mda", "imap", "pop3"),
    # Data keys leave only for who puts or reads bodies; `posthouse respool` is the operator.
    f"{DIRECTORY}DirectoryDataKeyService": ("smtp-gateway", "mda", "mta-queue", "imap", "pop3", "operator"),
    f"{DIRECTORY}DirectoryKeyService": ("admin-api",),
    f"{DIRECTORY}DirectoryPolicyService/GetTenantPolicy": (*DOORS, "mda", "mta-queue", "admin-api"),
    f"{DIRECTORY}DirectoryPolicyService/GetAccountSettings": (*DOORS, "mda", "mta-queue", "admin-api"),
    f"{DIRECTORY}DirectoryPolicyService": ("admin-api",),
}
