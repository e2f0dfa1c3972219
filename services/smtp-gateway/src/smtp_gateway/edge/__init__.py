"""Who enters: SMTP clients."""
