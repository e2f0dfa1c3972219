"""What tenants choose, as the OpenAPI document shows it."""

from typing import Annotated, Literal

from pydantic import Field

from admin_api.models import Wire

DmarcLimit = Literal["default", "mark", "quarantine", "reject"]


class TenantPolicy(Wire):
    """What a tenant chooses where it may choose."""

    dmarc: Annotated[
        DmarcLimit,
        Field(
            description="how far the wish of From's domain is followed for mail that fails DMARC: written down only; into "
            "Junk; or as asked. default: as the installation has it"
        ),
    ] = "default"
