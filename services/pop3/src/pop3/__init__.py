"""Maildrop access over POP3."""
