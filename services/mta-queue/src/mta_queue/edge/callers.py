"""Which services may call what here (`servicekit.identity.Guard`). What is not listed, nobody may."""

ALLOWED = {
    "mailwire.queue.v1.HoldingService": ("mda",),
    "mailwire.queue.v1.SuppressedService": ("smtp-gateway",),
    "mailwire.queue.v1.QueueAdminService": ("admin-api",),
    "mailwire.queue.v1.RelayAdminService": ("admin-api",),
    "mailwire.queue.v1.ReachAdminService": ("admin-api",),
}
