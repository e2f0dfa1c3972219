"""Asking a process whether it is ready."""

import asyncio
import json


async def tcp(port: int) -> None:
    """Raise OSError while nobody listens."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def clamd(port: int) -> None:
    """Raise OSError while clamd does not answer; it listens before it has read its signatures."""
    async with asyncio.timeout(4.0):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"zPING\0")
            if await reader.read(16) != b"PONG\0":
                raise OSError("clamd does not answer")
        finally:
            writer.close()


async def http(port: int, path: str) -> bytes:
    """The body of a 200. Raises OSError otherwise, with what was said."""
    async with asyncio.timeout(4.0):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read(1 << 20)
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise OSError(_reason(body))
    return body


def _reason(body: bytes) -> str:
    try:
        unwell = json.loads(body).get("unwell", {})
        return "; ".join(f"{name}: {text}" for name, text in unwell.items()) or "not ready"
    except ValueError:
        return body[:200].decode("utf-8", "replace").strip() or "not ready"
