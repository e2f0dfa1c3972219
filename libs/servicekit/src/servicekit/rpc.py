"""gRPC as all our services speak it: health, reflection, keepalive, limits."""

from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit.run import Service

MESSAGE_LIMIT_OCTETS = 4 * 1024 * 1024
# An idle channel pings so often; a server that did not expect that would close it, and the next call would fail.
PING_SECONDS = 20.0
LEAST_PING_SECONDS = PING_SECONDS / 2


async def serve_grpc(
    service: Service[Any], host: str, port: int, register: Callable[[grpc.aio.Server], list[str]]
) -> int:
    """Serve until the drain. `register` adds its servicers and returns their full names.

    Returns the port. Raises OSError where it cannot be had.
    """
    server = grpc.aio.server(
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
        bound = server.add_insecure_port(f"{host}:{port}")
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


def channel(target: str) -> grpc.aio.Channel:
    """A channel that reconnects quickly and notices a dead peer within seconds."""
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_OCTETS),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.keepalive_time_ms", int(PING_SECONDS * 1000)),
            ("grpc.keepalive_timeout_ms", 5_000),
            # Or it would ping twice, and then once a minute.
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.keepalive_permit_without_calls", 1),
        ],
    )
