"""Which services may call what here (`servicekit.identity.Guard`). What is not listed, nobody may."""

ALLOWED = {"mailwire.gateway.v1.GatewayAdminService": ("admin-api",)}
