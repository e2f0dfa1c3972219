"""How the needs in ports.py are met."""
