"""Which services may call what here (`servicekit.identity.Guard`). What is not listed, nobody may."""

ALLOWED = {"mailwire.quarantine.v1.QuarantineAdminService": ("admin-api",)}
