"""Who enters: IMAP clients."""
