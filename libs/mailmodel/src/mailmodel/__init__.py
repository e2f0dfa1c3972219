"""Whose and what: accounts, mailboxes, UIDs, flags, the session's view of a mailbox."""
