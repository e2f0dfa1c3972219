"""The milter protocol, version 6, on the mail server's side (libmilter's `mfdef.h` and `mfapi.h` are its only standard).

A packet is a length of four octets, a letter, and data. We ask step by step (connect, helo, mail, rcpt, data, header, eoh,
body, end of body); the milter answers each step it wants, and changes the message at its end.
"""
