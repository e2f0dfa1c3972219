"""What the world speaks, sans-IO: SMTP, IMAP, POP3, SASL."""
