"""SMTP (RFC 5321) without I/O: the server's side and the client's side."""
