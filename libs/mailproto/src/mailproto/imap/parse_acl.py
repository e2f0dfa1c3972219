"""Commands about rights to mailboxes (RFC 4314 §7), and about what may be kept in them (RFC 9208 §7)."""

from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor


def _set_acl(cursor: Cursor) -> c.Command:
    """setacl = "SETACL" SP mailbox SP identifier SP mod-rights"""
    mailbox = cursor.mailbox()
    cursor.space()
    identifier = cursor.text()
    cursor.space()
    return c.SetAcl(mailbox, identifier, cursor.text())


def _delete_acl(cursor: Cursor) -> c.Command:
    """deleteacl = "DELETEACL" SP mailbox SP identifier"""
    mailbox = cursor.mailbox()
    cursor.space()
    return c.DeleteAcl(mailbox, cursor.text())


def _list_rights(cursor: Cursor) -> c.Command:
    """listrights = "LISTRIGHTS" SP mailbox SP identifier"""
    mailbox = cursor.mailbox()
    cursor.space()
    return c.ListRights(mailbox, cursor.text())


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"SETACL": _set_acl,
    b"DELETEACL": _delete_acl,
    b"GETACL": lambda cursor: c.GetAcl(cursor.mailbox()),
    b"LISTRIGHTS": _list_rights,
    b"GETQUOTA": lambda cursor: c.GetQuota(cursor.text()),
    b"GETQUOTAROOT": lambda cursor: c.GetQuotaRoot(cursor.mailbox()),
    b"MYRIGHTS": lambda cursor: c.MyRights(cursor.mailbox()),
}
