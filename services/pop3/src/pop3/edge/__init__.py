"""Who enters: POP3 clients."""
