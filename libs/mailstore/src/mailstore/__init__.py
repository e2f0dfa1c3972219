"""How mailboxes rest in PostgreSQL and S3."""
