"""Where mail is filed: from the bus into mailboxes, exactly once."""
