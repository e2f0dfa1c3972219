"""Keys that sign for domains, as the OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from admin_api.models import Wire

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]


class DkimKey(BaseModel):
    """A key that signs for a domain. Receivers look for its public half in DNS."""

    selector: Annotated[str, Field(examples=["202611-rsa"])]
    algorithm: Algorithm
    record_name: Annotated[
        str,
        Field(description="the name of the TXT record", examples=["202611-rsa._domainkey.example.org"]),
    ]
    record: Annotated[
        str, Field(description="what it says", examples=["v=DKIM1; k=rsa; h=sha256; p=MIIBIjANBgkqh..."])
    ]
    zone_line: Annotated[
        str, Field(description="the same as a line of a zone file, in strings of at most 255 octets")
    ]
    created_at: datetime


class NewDkimKeys(Wire):
    selector: Annotated[
        str,
        Field(
            description="left out: the year and the month; of several keys each has its own, with -rsa or -ed25519 at the end",
            max_length=200,
            examples=["202611"],
        ),
    ] = ""
    algorithms: Annotated[
        list[Algorithm],
        Field(description="left out: one key of each (RFC 8463 §3)", max_length=2, default_factory=list),
    ]
