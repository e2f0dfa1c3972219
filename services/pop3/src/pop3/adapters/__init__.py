"""How the needs of `ports` are met."""
