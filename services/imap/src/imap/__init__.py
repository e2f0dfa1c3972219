"""Mailbox access over IMAP."""
