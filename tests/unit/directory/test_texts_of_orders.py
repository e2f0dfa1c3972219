"""No order has a control character in a text, however deep it stands: PostgreSQL has no NUL, and a header no line break."""

from typing import Any

import grpc
import pytest
from directory.edge.answers import order
from google.protobuf.message import Message
from mailwire.directory.v1 import ldap_pb2, openid_pb2, policy_pb2, scim_pb2


class Refused(Exception):
    """The call was ended."""


class Call:
    """As much of a gRPC call as an order looks at."""

    code: grpc.StatusCode | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def abort(self, code: grpc.StatusCode, _details: str) -> None:
        self.code = code
        raise Refused


class House:
    @order
    async def take(self, request: Message, context: "grpc.aio.ServicerContext[Any, Any]") -> Message:
        return request


USER, GROUP = scim_pb2.ScimUser, scim_pb2.ScimGroup


@pytest.mark.parametrize(
    "request_",
    [
        scim_pb2.CreateScimUserRequest(user=USER(display_name="Bob\r\nBcc: eve@elsewhere.test")),
        scim_pb2.UpdateScimUserRequest(user=USER(external_id="\0")),
        scim_pb2.UpdateScimUserRequest(user=USER(roles=["auditor", "\0"])),
        scim_pb2.CreateScimGroupRequest(group=GROUP(members=[scim_pb2.ScimMember(account_id="a\0")])),
        scim_pb2.ListScimUsersRequest(filter=scim_pb2.ScimFilter(attribute="id", value="\0")),
        openid_pb2.SetOpenidProviderRequest(provider=openid_pb2.OpenidProvider(client_id="a\0")),
        ldap_pb2.SetLdapSourceRequest(source=ldap_pb2.LdapSource(base_dn="dc=a\nb")),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_a_control_character_within_is_refused(request_: Message) -> None:
    call = Call()
    with pytest.raises(Refused):
        await House().take(request_, call)  # type: ignore[arg-type]
    assert call.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "request_",
    [
        scim_pb2.CreateScimUserRequest(
            user=USER(display_name="B\u00f6b", roles=["auditor"]), password="a\nb"
        ),
        ldap_pb2.SetLdapSourceRequest(source=ldap_pb2.LdapSource(ca_certificates="-----BEGIN\n")),
        policy_pb2.SetAccountSettingsRequest(settings=policy_pb2.AccountSettings(vacation_text="a\nb")),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_lines_stay_where_there_may_be_some(request_: Message) -> None:
    assert await House().take(request_, Call()) is request_  # type: ignore[arg-type]
