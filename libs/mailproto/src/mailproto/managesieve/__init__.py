"""ManageSieve (RFC 5804), the server's side, without I/O."""
