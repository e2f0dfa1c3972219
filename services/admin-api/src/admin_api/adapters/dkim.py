"""The directory's DirectoryDkimService, in and out of the models."""

from datetime import UTC

import grpc
from mailwire.directory.v1 import dkim_pb2 as wire
from mailwire.directory.v1.dkim_pb2_grpc import DirectoryDkimServiceStub

from admin_api.dkim_models import Algorithm, DkimKey

SECONDS = 15.0
ALGORITHMS: dict[Algorithm, wire.DkimAlgorithm.ValueType] = {
    "rsa-sha256": wire.DKIM_ALGORITHM_RSA_SHA256,
    "ed25519-sha256": wire.DKIM_ALGORITHM_ED25519_SHA256,
}
ALGORITHMS_BACK = {value: key for key, value in ALGORITHMS.items()}
# RFC 1035 §3.3: a character-string has a length of one octet.
STRING_OCTETS = 255


def stub(channel: grpc.aio.Channel) -> DirectoryDkimServiceStub:
    """What the routes call."""
    return DirectoryDkimServiceStub(channel)


def dkim_key(message: wire.DkimKey) -> DkimKey:
    return DkimKey(
        selector=message.selector,
        algorithm=ALGORITHMS_BACK[message.algorithm],
        record_name=message.record_name,
        record=message.record,
        zone_line=zone_line(message.record_name, message.record),
        created_at=message.created_at.ToDatetime(UTC),
    )


def zone_line(name: str, record: str) -> str:
    """A TXT record as a zone file has it (RFC 1035 §5.1)."""
    starts = range(0, len(record), STRING_OCTETS)
    strings = " ".join(f'"{record[start : start + STRING_OCTETS]}"' for start in starts)
    return f"{name}. IN TXT {strings}"
