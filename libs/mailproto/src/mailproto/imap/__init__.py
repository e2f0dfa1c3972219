"""IMAP4rev1 (RFC 3501) without I/O: commands read and parsed, responses written."""
