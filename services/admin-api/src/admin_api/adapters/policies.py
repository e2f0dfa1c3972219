"""The directory's DirectoryPolicyService, in and out of the models."""

from typing import Any

import grpc
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from admin_api.policy_models import AccountSettings, DmarcLimit, TenantPolicy

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
    values = _values(message, TenantPolicy.model_fields)
    return TenantPolicy(**{**values, "dmarc": DMARC_BACK[message.dmarc]})


def policy_wire(chosen: TenantPolicy) -> wire.TenantPolicy:
    return wire.TenantPolicy(**{**chosen.model_dump(exclude_none=True), "dmarc": DMARC[chosen.dmarc]})


def settings(message: wire.AccountSettings) -> AccountSettings:
    return AccountSettings(**_values(message, AccountSettings.model_fields))


def settings_wire(chosen: AccountSettings) -> wire.AccountSettings:
    return wire.AccountSettings(**chosen.model_dump())


def _values(message: Any, names: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.has_presence and not message.HasField(name):
            continue
        value = getattr(message, name)
        found[name] = list(value) if field.is_repeated else value
    return found
