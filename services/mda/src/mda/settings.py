"""Settings of the mda (environment, prefix MDA_)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import (
    BlobSettings,
    BusSettings,
    DatabaseSettings,
    DirectorySettings,
    ServiceSettings,
)


class Settings(ServiceSettings, BusSettings, BlobSettings, DatabaseSettings, DirectorySettings):
    """What the mda can be told."""

    model_config = SettingsConfigDict(env_prefix="MDA_")

    hostname: str = Field("localhost", description="the name that notices of delivery come from")
    batch_messages: int = Field(
        256, description="messages of one transaction at most; fewer when fewer have come", ge=1, le=1024
    )
    filing_tasks: int = Field(2, description="transactions under way at once", ge=1, le=16)
    ack_wait_seconds: float = Field(
        10.0,
        description="after so long without an acknowledgement a message comes again, to any process",
        ge=1,
    )
    retry_seconds: float = Field(2.0, description="pause after PostgreSQL was out of reach", gt=0, le=300)
    poison_tries: int = Field(
        3, description="tries of a message that fails by itself before it is put aside", ge=1
    )
