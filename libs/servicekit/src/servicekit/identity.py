"""Who a process is towards the other services: a certificate whose DNS name is the service's.

Both sides of every gRPC connection show one; what a service may call is decided by
its name (`Guard`). A certificate names the service and may name hosts besides:
only names in `SERVICES` count.
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from servicekit.settings import ServiceSettings

SERVICES = frozenset(
    ("directory", "smtp-gateway", "mta-queue", "mda", "imap", "pop3", "managesieve", "admin-api", "operator")
)
# Everybody with a certificate may ask these.
OPEN = ("/grpc.health.", "/grpc.reflection.")


class IdentityIncomplete(Exception):
    """Some of the files are set and some are not, or they do not fit together."""


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM: a certificate (chain), its key, and the authorities."""

    certificate: bytes
    key: bytes
    authorities: bytes

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Identity | None":
        """None where none is set. Raises IdentityIncomplete, OSError."""
        files = (
            settings.identity_certificate_file,
            settings.identity_key_file,
            settings.identity_authority_file,
        )
        if files == (None, None, None):
            return None
        certificate, key, authority = files
        if certificate is None or key is None or authority is None:
            raise IdentityIncomplete(
                "identity_certificate_file, identity_key_file and identity_authority_file belong together"
            )
        return cls.read(certificate, key, authority)

    @classmethod
    def read(cls, certificate: Path, key: Path, authority: Path) -> "Identity":
        """Raises IdentityIncomplete, OSError."""
        try:
            # gRPC would say of a wrong pair only that no connection comes about.
            ssl.create_default_context(cafile=str(authority)).load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise IdentityIncomplete(f"{certificate}, {key} and {authority} do not fit: {error}") from error
        return cls(certificate.read_bytes(), key.read_bytes(), authority.read_bytes())

    def server(self) -> grpc.ServerCredentials:
        """Clients must show a certificate too."""
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)], root_certificates=self.authorities, require_client_auth=True
        )

    def client(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Lets each method be called by the services that are listed for it, and by nobody where none is.

    Keys of `allowed` are full names of a service ("mailwire.queue.v1.QueueAdminService")
    or of one method of it ("mailwire.queue.v1.QueueAdminService/Show"), which comes first.
    """

    def __init__(self, allowed: Mapping[str, Iterable[str]]) -> None:
        self._allowed = {name: frozenset(who) for name, who in allowed.items()}

    def callers(self, method: str) -> frozenset[str]:
        """Who may call `/service/method`."""
        name = method.lstrip("/")
        found = self._allowed.get(name)
        return self._allowed.get(name.partition("/")[0], frozenset()) if found is None else found

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN):
            return handler
        return _guarded(handler, details.method, self.callers(details.method))


def callers_of(context: Any) -> frozenset[str]:
    """The services that the caller's certificate names."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return SERVICES.intersection(name.decode("ascii", "replace") for name in names)


def _guarded(handler: Any, method: str, callers: frozenset[str]) -> Any:
    async def check(context: Any) -> None:
        who = callers_of(context)
        if not who & callers:
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{' '.join(sorted(who)) or 'who has no service name'} may not call {method}",
            )

    if handler.response_streaming:
        inner_stream = handler.unary_stream or handler.stream_stream

        async def stream(request: Any, context: Any) -> Any:
            await check(context)
            async for answer in inner_stream(request, context):
                yield answer

        return handler._replace(
            **{("stream_stream" if handler.request_streaming else "unary_stream"): stream}
        )
    inner = handler.unary_unary or handler.stream_unary

    async def call(request: Any, context: Any) -> Any:
        await check(context)
        return await inner(request, context)

    return handler._replace(**{("stream_unary" if handler.request_streaming else "unary_unary"): call})
