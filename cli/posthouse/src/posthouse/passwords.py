"""Passwords that we make up ourselves."""

import secrets

# Letters and digits only, so that none begins with a dash and no shell or URL needs it quoted;
# without those that are taken for one another when read aloud.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def made_up(length: int = 18) -> str:
    """A password of 5.8 bits a character."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
