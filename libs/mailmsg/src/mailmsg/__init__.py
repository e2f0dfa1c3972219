"""What a message is (RFC 5322, RFC 2045 to 2049): headers, addresses, dates, the MIME tree with offsets, delivery
status notifications. Takes and gives bytes; knows no network, no clock and no store.

Start with `mailmsg.facts.examine`.
"""

from mailmsg.facts import MessageFacts, examine
from mailmsg.parts import Part, PartIndex, decode_parts, encode_parts

__all__ = ["MessageFacts", "Part", "PartIndex", "decode_parts", "encode_parts", "examine"]
