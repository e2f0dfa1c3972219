"""How the needs in ports.py are met: directoryclient, spool and eventbus satisfy them as they are; DNS is in questions.py."""
