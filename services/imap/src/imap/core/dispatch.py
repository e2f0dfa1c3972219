"""Which function a command goes to once the session has logged in."""

from typing import assert_never

from mailmodel.view import MayExpunge
from mailproto.imap import commands as c
from mailproto.imap.commands import By
from mailproto.imap.search_keys import asks_sequence

from imap.core import (
    annotating,
    appending,
    authorizing,
    contexts,
    conversing,
    enabling,
    fetching,
    granting,
    listing,
    mailboxes,
    multisearching,
    notifying,
    quotas,
    replacing,
    searching,
    selecting,
    sorting,
    status,
    storing,
    urlfetching,
)
from imap.core.answer import BY_UID, Answer, Bad, No, ok
from imap.core.features import Feature, Utf8
from imap.core.filters import filled_in
from imap.core.session import Session

# While their sequence numbers could be meant, no EXPUNGE may be told (RFC 3501 §7.4.1).
HOLD_EXPUNGE = (c.Fetch, c.Store, c.Search, c.Sort, c.Thread)
SEARCHES = (c.Search, c.Sort, c.Thread, c.MultiSearch)
ID = b'* ID ("name" "Posthouse" "vendor" "Posthouse")\r\n'


def may_expunge(command: c.Command) -> MayExpunge:
    """Whether expunges may be announced after it."""
    if isinstance(command, HOLD_EXPUNGE) and command.by is c.By.SEQUENCE:
        return MayExpunge.NO
    return MayExpunge.YES


# What a server that wants UTF-8 answers before it is enabled (RFC 6855 §6).
WITHOUT_NAMES = (c.Id, c.Enable, c.Compress, c.Language)


def check(session: Session, command: c.Command) -> None:
    """What the client has enabled, or must enable first. Raises Bad and No."""
    if session.is_uid_only:
        if getattr(command, "by", By.UID) is By.SEQUENCE:
            raise Bad(*BY_UID)
        if isinstance(command, SEARCHES) and asks_sequence(command.key):
            raise Bad(*BY_UID)
    needs_utf8 = session.utf8 is Utf8.ONLY and Feature.UTF8 not in session.features
    if needs_utf8 and not isinstance(command, (*WITHOUT_NAMES, c.Plain)):
        raise No("ENABLE UTF8=ACCEPT first", "CANNOT")


async def run(session: Session, command: c.Command, tag: str) -> Answer:
    """Do it; `tag` is for answers that name it. Raises No, Bad, and what the store raises."""
    check(session, command)
    match command:
        case c.Select():
            return await selecting.select(session, command)
        case c.Status():
            return await status.status(session, command)
        case c.Create():
            return await mailboxes.create(session, command)
        case c.Delete():
            return await mailboxes.delete(session, command)
        case c.Rename():
            return await mailboxes.rename(session, command)
        case c.Subscribe():
            return await mailboxes.subscribe(session, command)
        case c.Unsubscribe():
            return await mailboxes.unsubscribe(session, command)
        case c.List():
            return await listing.listing(session, command)
        case c.Lsub():
            return await listing.lsub(session, command)
        case c.Append():
            return await appending.append(session, command)
        case c.Replace():
            return await replacing.replace(session, command)
        case c.Fetch():
            return await fetching.fetch(session, command)
        case c.Store():
            return await storing.store(session, command)
        case c.Search():
            return await searching.search(session, command, tag)
        case c.MultiSearch():
            return await multisearching.esearch(session, command, tag)
        case c.Sort():
            return await sorting.sort(session, await filled_in(session, command), tag)
        case c.CancelUpdate():
            return contexts.cancel(session, command)
        case c.Thread():
            return await conversing.thread(session, await filled_in(session, command))
        case c.Copy():
            return await storing.copy(session, command)
        case c.Move():
            return await storing.move(session, command)
        case c.UidExpunge():
            return await storing.expunge(session, command)
        case c.Id():
            await session.say(ID)
            return ok("ID completed")
        case c.Enable():
            return await enabling.enable(session, command)
        case c.Plain():
            return await _plain(session, command)
        case c.Notify():
            return await notifying.notify(session, command)
        case c.GetMetadata():
            return await annotating.get_metadata(session, command)
        case c.SetMetadata():
            return await annotating.set_metadata(session, command)
        case c.GenUrlAuth():
            return await authorizing.generate(session, command)
        case c.ResetKey():
            return await authorizing.reset(session, command)
        case c.UrlFetch():
            return await urlfetching.fetch(session, command)
        case c.GetQuota():
            return await quotas.get_quota(session, command)
        case c.GetQuotaRoot():
            return await quotas.get_quota_root(session, command)
        case c.SetAcl():
            return await granting.set_acl(session, command)
        case c.DeleteAcl():
            return await granting.delete_acl(session, command)
        case c.GetAcl():
            return await granting.get_acl(session, command)
        case c.ListRights():
            return await granting.list_rights(session, command)
        case c.MyRights():
            return await granting.my_rights(session, command)
        case c.Language():
            raise RuntimeError("the connection does that itself")
        case c.Compress():
            raise RuntimeError("the connection does that itself")
        case c.Login() | c.Authenticate():
            raise Bad("You have logged in already")
        case _:
            assert_never(command)


async def _plain(session: Session, command: c.Plain) -> Answer:
    match command:
        case c.Plain.NOOP | c.Plain.CHECK:
            if command is c.Plain.CHECK:
                session.need_selected()
            session.is_stale = True
            return ok(f"{command.value} completed")
        case c.Plain.CLOSE:
            return await selecting.close(session)
        case c.Plain.UNSELECT:
            return await selecting.unselect(session)
        case c.Plain.EXPUNGE:
            return await storing.expunge(session, None)
        case c.Plain.NAMESPACE:
            return await mailboxes.namespace(session)
        case c.Plain.STARTTLS:
            raise Bad("TLS starts before the login")
        case c.Plain.CAPABILITY | c.Plain.LOGOUT | c.Plain.IDLE | c.Plain.UNAUTHENTICATE:
            raise RuntimeError("the connection does that itself")
        case _:
            assert_never(command)
