"""The whole platform, from the outside."""
