"""The directory's DirectoryAccessService, in and out of the models."""

from datetime import UTC, datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import access_pb2 as wire
from mailwire.directory.v1.access_pb2_grpc import DirectoryAccessServiceStub

from admin_api.access_models import AppPassword, LoginLimit, MadeAppPassword, SignIn

SECONDS = 15.0


def stub(channel: grpc.aio.Channel) -> DirectoryAccessServiceStub:
    """What the routes call."""
    return DirectoryAccessServiceStub(channel)


def stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    made = Timestamp()
    made.FromDatetime(at)
    return made


def app_password(message: wire.AppPassword) -> AppPassword:
    return AppPassword(
        app_password_id=message.app_password_id,
        name=message.name,
        scopes=list(message.scopes),
        created_at=message.created_at.ToDatetime(UTC),
        expires_at=message.expires_at.ToDatetime(UTC) if message.HasField("expires_at") else None,
        last_used_at=message.last_used_at.ToDatetime(UTC) if message.HasField("last_used_at") else None,
        last_used_service=message.last_used_service,
        last_used_address=message.last_used_address,
    )


def made_app_password(message: wire.CreateAppPasswordResponse) -> MadeAppPassword:
    return MadeAppPassword(
        **app_password(message.app_password).model_dump(),
        password=message.password,
    )


def login_limit(message: wire.LoginLimit) -> LoginLimit:
    return LoginLimit(
        account=message.address or message.account_id,
        prefix=message.prefix,
        whole_prefix=message.whole_prefix,
        failures=message.failures,
        failed_at=message.failed_at.ToDatetime(UTC),
        blocked_until=message.blocked_until.ToDatetime(UTC) if message.HasField("blocked_until") else None,
    )


def sign_in(message: wire.SignIn) -> SignIn:
    return SignIn(
        service=message.service,
        address=message.address,
        outcome=message.outcome,
        first_at=message.first_at.ToDatetime(UTC),
        last_at=message.last_at.ToDatetime(UTC),
        times=message.times,
        new_device=message.new_device,
        suspicious=message.suspicious,
    )
