"""/v1/lists: mailing lists and their members."""

from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from mailwire.directory.v1 import lists_pb2 as wire
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceStub
from pydantic import BaseModel, Field

from admin_api.adapters.directory import SECONDS
from admin_api.models import Confusable, Page, Wire

router = APIRouter(prefix="/v1", tags=["mailing lists"])
Posting = Literal["anyone", "members", "moderators"]
ReplyTo = Literal["author", "list"]
Subscribing = Literal["closed", "open"]
VisibleTo = Literal["owners", "members", "tenant"]
BounceAction = Literal["suspend", "remove"]
BounceLimit = Annotated[
    int,
    Field(
        ge=0, le=100, description="on so many days mail to a member comes back before it gets none; 0: never"
    ),
]
POSTING: "dict[Posting, wire.Posting.ValueType]" = {
    "anyone": wire.POSTING_ANYONE,
    "members": wire.POSTING_MEMBERS,
    "moderators": wire.POSTING_MODERATORS,
}
REPLY_TO: "dict[ReplyTo, wire.ReplyTo.ValueType]" = {
    "author": wire.REPLY_TO_AUTHOR,
    "list": wire.REPLY_TO_LIST,
}
SUBSCRIBING: "dict[Subscribing, wire.Subscribing.ValueType]" = {
    "closed": wire.SUBSCRIBING_CLOSED,
    "open": wire.SUBSCRIBING_OPEN,
}
VISIBLE_TO: "dict[VisibleTo, wire.VisibleTo.ValueType]" = {
    "owners": wire.VISIBLE_TO_OWNERS,
    "members": wire.VISIBLE_TO_MEMBERS,
    "tenant": wire.VISIBLE_TO_TENANT,
}
BOUNCE_ACTION: "dict[BounceAction, wire.BounceAction.ValueType]" = {
    "suspend": wire.BOUNCE_ACTION_SUSPEND,
    "remove": wire.BOUNCE_ACTION_REMOVE,
}
SUBSCRIBING_WORDS = {value: word for word, value in SUBSCRIBING.items()}
VISIBLE_TO_WORDS = {value: word for word, value in VISIBLE_TO.items()}
BOUNCE_ACTION_WORDS = {value: word for word, value in BOUNCE_ACTION.items()}
POSTING_WORDS = {value: word for word, value in POSTING.items()}
REPLY_TO_WORDS = {value: word for word, value in REPLY_TO.items()}
Addresses = Annotated[list[str], Field(max_length=20)]


class MailingList(BaseModel):
    """An address whose mail goes to its members."""

    list_id: str
    tenant: str
    address: str
    name: str
    description: str
    posting: Annotated[Posting, Field(description="whose mail goes to the members without being held")]
    reply_to: ReplyTo
    owners: Annotated[list[str], Field(description="get what comes back")]
    moderators: Annotated[list[str], Field(description="may post always, and are told of what is held")]
    members: int
    subscribing: Annotated[
        Subscribing, Field(description="open: whoever confirms it by mail becomes a member")
    ]
    visible_to: Annotated[VisibleTo, Field(description="whose EXPN is answered; owners: moderators too")]
    bounce_limit: BounceLimit
    bounce_action: BounceAction


class Suspended(BaseModel):
    """A member that gets no mail because it came back; who adds it again ends that."""

    address: str
    bounce_days: int
    last_bounce: str


class NewList(Wire):
    address: Annotated[str, Field(examples=["news@example.org"])]
    name: Annotated[str, Field(max_length=100)] = ""
    description: Annotated[str, Field(max_length=1000)] = ""
    posting: Posting = "members"
    reply_to: ReplyTo = "author"
    owners: Addresses
    moderators: Addresses = Field(default_factory=list)
    subscribing: Subscribing = "closed"
    visible_to: VisibleTo = "owners"
    bounce_limit: BounceLimit = 5
    bounce_action: BounceAction = "suspend"
    even_if_confusable: Confusable = False


class ListChange(Wire):
    """What is not given stays as it is."""

    name: Annotated[str | None, Field(max_length=100)] = None
    description: Annotated[str | None, Field(max_length=1000)] = None
    posting: Posting | None = None
    reply_to: ReplyTo | None = None
    owners: Addresses | None = None
    moderators: Addresses | None = None
    subscribing: Subscribing | None = None
    visible_to: VisibleTo | None = None
    bounce_limit: BounceLimit | None = None
    bounce_action: BounceAction | None = None


class Members(Wire):
    addresses: Annotated[list[str], Field(min_length=1, max_length=1000)]


class Changed(BaseModel):
    """How many members came or went."""

    changed: int


def attach(app: FastAPI, stub: DirectoryListServiceStub) -> None:
    """Give the routes their stub."""
    app.state.lists = stub


def _shown(message: wire.MailingList) -> MailingList:
    return MailingList(
        list_id=message.list_id,
        tenant=message.tenant_name,
        address=message.address,
        name=message.name,
        description=message.description,
        posting=POSTING_WORDS[message.posting],
        reply_to=REPLY_TO_WORDS[message.reply_to],
        owners=list(message.owners),
        moderators=list(message.moderators),
        members=message.members,
        subscribing=SUBSCRIBING_WORDS[message.subscribing],
        visible_to=VISIBLE_TO_WORDS[message.visible_to],
        bounce_limit=message.bounce_limit,
        bounce_action=BOUNCE_ACTION_WORDS[message.bounce_action],
    )


@router.post("/lists", status_code=201)
async def create_list(new: NewList, request: Request) -> MailingList:
    """Create a mailing list; nobody is a member yet."""
    made = await request.app.state.lists.CreateList(
        wire.CreateListRequest(
            address=new.address,
            name=new.name,
            description=new.description,
            posting=POSTING[new.posting],
            reply_to=REPLY_TO[new.reply_to],
            owners=new.owners,
            moderators=new.moderators,
            subscribing=SUBSCRIBING[new.subscribing],
            visible_to=VISIBLE_TO[new.visible_to],
            bounce_limit=new.bounce_limit,
            bounce_action=BOUNCE_ACTION[new.bounce_action],
            even_if_confusable=new.even_if_confusable,
        ),
        timeout=SECONDS,
    )
    return _shown(made.list)


@router.get("/lists")
async def list_lists(
    request: Request,
    tenant: str = "",
    size: Annotated[int, Query(ge=1, le=1000)] = 100,
    page: str = "",
) -> Page[MailingList]:
    """Mailing lists by address."""
    found = await request.app.state.lists.ListLists(
        wire.ListListsRequest(tenant=tenant, page_size=size, page_token=page), timeout=SECONDS
    )
    return Page(items=[_shown(each) for each in found.lists], next_page=found.next_page_token)


@router.get("/lists/{mailing_list:path}/members")
async def list_members(
    mailing_list: str,
    request: Request,
    size: Annotated[int, Query(ge=1, le=1000)] = 100,
    page: str = "",
) -> Page[str]:
    """Members in the order in which they came."""
    found = await request.app.state.lists.ListMembers(
        wire.ListMembersRequest(list=mailing_list, page_size=size, page_token=page),
        timeout=SECONDS,
    )
    return Page(items=list(found.addresses), next_page=found.next_page_token)


@router.get("/lists/{mailing_list:path}/suspended")
async def list_suspended(
    mailing_list: str,
    request: Request,
    size: Annotated[int, Query(ge=1, le=1000)] = 100,
    page: str = "",
) -> Page[Suspended]:
    """Members that get no mail any more because it came back."""
    found = await request.app.state.lists.ListMembers(
        wire.ListMembersRequest(list=mailing_list, page_size=size, page_token=page, suspended=True),
        timeout=SECONDS,
    )
    items = [
        Suspended(address=each.address, bounce_days=each.bounce_days, last_bounce=each.last_bounce)
        for each in found.members
    ]
    return Page(items=items, next_page=found.next_page_token)


@router.post("/lists/{mailing_list:path}/members")
async def add_members(mailing_list: str, members: Members, request: Request) -> Changed:
    """Add up to 1,000 members; who is one stays one, and who got no mail because it came back gets mail again."""
    done = await request.app.state.lists.AddMembers(
        wire.AddMembersRequest(list=mailing_list, addresses=members.addresses), timeout=SECONDS
    )
    return Changed(changed=done.added)


@router.post("/lists/{mailing_list:path}/members/remove")
async def remove_members(mailing_list: str, members: Members, request: Request) -> Changed:
    """Remove up to 1,000 members; who is none is passed over."""
    done = await request.app.state.lists.RemoveMembers(
        wire.RemoveMembersRequest(list=mailing_list, addresses=members.addresses), timeout=SECONDS
    )
    return Changed(changed=done.removed)


@router.get("/lists/{mailing_list:path}")
async def get_list(mailing_list: str, request: Request) -> MailingList:
    """A mailing list, by its address or its id."""
    found = await request.app.state.lists.GetList(wire.GetListRequest(list=mailing_list), timeout=SECONDS)
    return _shown(found.list)


@router.patch("/lists/{mailing_list:path}")
async def change_list(mailing_list: str, change: ListChange, request: Request) -> MailingList:
    """Change what is given."""
    done = await request.app.state.lists.UpdateList(
        wire.UpdateListRequest(
            list=mailing_list,
            name=change.name,
            description=change.description,
            posting=POSTING[change.posting] if change.posting else wire.POSTING_UNSPECIFIED,
            reply_to=REPLY_TO[change.reply_to] if change.reply_to else wire.REPLY_TO_UNSPECIFIED,
            owners=change.owners or [],
            moderators=change.moderators or [],
            no_moderators=change.moderators == [],
            subscribing=SUBSCRIBING[change.subscribing]
            if change.subscribing
            else wire.SUBSCRIBING_UNSPECIFIED,
            visible_to=VISIBLE_TO[change.visible_to] if change.visible_to else wire.VISIBLE_TO_UNSPECIFIED,
            bounce_limit=change.bounce_limit,
            bounce_action=BOUNCE_ACTION[change.bounce_action]
            if change.bounce_action
            else wire.BOUNCE_ACTION_UNSPECIFIED,
        ),
        timeout=SECONDS,
    )
    return _shown(done.list)


@router.delete("/lists/{mailing_list:path}", status_code=204)
async def delete_list(mailing_list: str, request: Request) -> None:
    """Its address is free again; posts under way reach nobody."""
    await request.app.state.lists.DeleteList(wire.DeleteListRequest(list=mailing_list), timeout=SECONDS)
