"""The directory's DirectoryPolicyService, in and out of the models."""

import grpc
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from admin_api.policy_models import DmarcLimit, TenantPolicy

SECONDS = 15.0
DMARC: dict[DmarcLimit, wire.DmarcLimit.ValueType] = {
    "default": wire.DMARC_LIMIT_UNSPECIFIED,
    "mark": wire.DMARC_LIMIT_MARK,
    "quarantine": wire.DMARC_LIMIT_QUARANTINE,
    "reject": wire.DMARC_LIMIT_REJECT,
}
DMARC_BACK = {value: key for key, value in DMARC.items()}


def stub(channel: grpc.aio.Channel) -> DirectoryPolicyServiceStub:
    """What the routes call."""
    return DirectoryPolicyServiceStub(channel)


def policy(message: wire.TenantPolicy) -> TenantPolicy:
    return TenantPolicy(dmarc=DMARC_BACK[message.dmarc])
