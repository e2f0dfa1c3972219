"""managesieve: users' Sieve scripts over ManageSieve (RFC 5804)."""
