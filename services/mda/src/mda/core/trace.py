"""The fields that final delivery puts before a message (RFC 5321 §4.4)."""


def delivery_prefix(reverse_path: str, address: str, trace_prefix: bytes) -> bytes:
    """Return-Path, Delivered-To, then the trace fields of the gate, each ended by CRLF.

    Raises ValueError where an address holds a line break: the gate refuses those,
    and this is the second gate.
    """
    for text in (reverse_path, address):
        if "\r" in text or "\n" in text or "\0" in text:
            raise ValueError("a line break in an envelope address")
    return f"Return-Path: <{reverse_path}>\r\nDelivered-To: {address}\r\n".encode() + trace_prefix
