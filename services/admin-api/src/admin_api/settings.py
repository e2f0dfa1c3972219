"""Settings of the admin-api (environment, prefix ADMIN_API_)."""

from pathlib import Path

from pydantic import Field, IPvAnyNetwork
from pydantic_settings import SettingsConfigDict
from servicekit.settings import DirectorySettings, ServiceSettings


class Settings(ServiceSettings, DirectorySettings):
    """What the admin API can be told."""

    model_config = SettingsConfigDict(env_prefix="ADMIN_API_")

    queue_target: str = Field("127.0.0.1:2702", description="host:port of the mta-queue's gRPC")
    quarantine_target: str = Field("127.0.0.1:2703", description="host:port of the mda's gRPC")
    gateway_target: str = Field("127.0.0.1:2704", description="host:port of the smtp-gateway's gRPC")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(2080, ge=0, le=65535)
    proxy_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto say who asks; each must add to "
        "X-Forwarded-For, or set it anew. From anybody else these fields say nothing",
    )
    token_file: Path = Field(description="a file that holds the operator's token")
    request_octets: int = Field(1 << 20, description="the largest request body taken", ge=1024)
