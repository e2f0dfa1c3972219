"""How the needs in ports.py are met: PostgreSQL, DNS, SMTP."""
