"""gRPC as all our services speak it: mutual TLS, who may call what, health, reflection, keepalive, limits."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit.identity import Guard, Identity
from servicekit.run import Service

MESSAGE_LIMIT_OCTETS = 4 * 1024 * 1024
# An idle channel pings so often; a server that did not expect that would close it, and the next call would fail.
PING_SECONDS = 20.0
LEAST_PING_SECONDS = PING_SECONDS / 2


class Unguarded(Exception):
    """A port that others could reach, and nothing that says who they are."""


async def serve_grpc(
    service: Service[Any],
    host: str,
    port: int,
    register: Callable[[grpc.aio.Server], list[str]],
    allowed: Mapping[str, Iterable[str]],
) -> int:
    """Serve until the drain. `register` adds its servicers and returns their full names; `allowed`: servicekit.identity.

    Returns the port. Raises OSError where it cannot be had, Unguarded where the process has no identity and the
    port would not be on loopback.
    """
    identity = service.identity
    if identity is None and not _is_loopback(host):
        raise Unguarded(
            f"gRPC on {host} needs identity_certificate_file, identity_key_file and identity_authority_file; "
            "without them it is served on loopback only"
        )
    server = grpc.aio.server(
        interceptors=[] if identity is None else [Guard(allowed)],
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_OCTETS),
            # Two processes on one port would each see half of the calls and all of the confusion.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", int(LEAST_PING_SECONDS * 1000)),
        ],
        maximum_concurrent_rpcs=4096,
    )
    names = register(server)
    healthiness = health.aio.HealthServicer()  # type: ignore[attr-defined]
    health_pb2_grpc.add_HealthServicer_to_server(healthiness, server)
    for name in (*names, ""):
        await healthiness.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        bound = _add_port(server, f"{host}:{port}", identity)
    except RuntimeError as error:
        raise OSError(f"gRPC port {host}:{port} cannot be had: {error}") from error
    if not bound:
        raise OSError(f"gRPC port {host}:{port} cannot be had")
    await server.start()

    async def stop() -> None:
        await healthiness.enter_graceful_shutdown()
        await server.stop(service.settings.drain_seconds)

    service.on_close(stop)
    service.log.info("grpc_opened", host=host, port=bound)
    return int(bound)


def _add_port(server: grpc.aio.Server, address: str, identity: Identity | None) -> int:
    if identity is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, identity.server())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def channel(
    target: str,
    server: str,
    identity: Identity | None,
    interceptors: Sequence[Any] = (),
) -> grpc.aio.Channel:
    """A channel to the service `server` that reconnects quickly and notices a dead peer within seconds.

    With an identity: who answers must show that it is `server`, whatever `target` is.
    """
    options: list[tuple[str, object]] = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT_OCTETS),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.keepalive_time_ms", int(PING_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", 5_000),
        # Or it would ping twice, and then once a minute.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if identity is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    options.append(("grpc.ssl_target_name_override", server))
    return grpc.aio.secure_channel(target, identity.client(), options=options, interceptors=interceptors)
