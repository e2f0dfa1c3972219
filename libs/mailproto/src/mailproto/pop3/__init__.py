"""POP3, the server's side, sans-IO (RFC 1939, RFC 2449, RFC 2595, RFC 3206, RFC 5034).

Start with `mailproto.pop3.server`.
"""
