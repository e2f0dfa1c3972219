"""The base subject of a message (RFC 5256 §2.1): what is left of it without `Re:`, `Fwd:`, `[list]` and the like."""

import re
from dataclasses import dataclass

# A longer subject is looked at in part only: each step copies what is left.
LONGEST_CHARACTERS = 2000
SPACES = re.compile(r"[ \t\r\n]+")
# subj-trailer = "(fwd)" / WSP
TRAILER = re.compile(r"\(fwd\)\Z", re.IGNORECASE)
# subj-leader = (*subj-blob subj-refwd) / WSP; subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
LEADER = re.compile(r"(?:\[[^\[\]]*+\] *+)*+(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?:", re.IGNORECASE)
# subj-blob = "[" *BLOBCHAR "]" *WSP
BLOB = re.compile(r"\[[^\[\]]*+\] *+")
FORWARD = re.compile(r"\[fwd:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BaseSubject:
    """`is_reply`: something said that the message answers or forwards another (RFC 5256 §3)."""

    text: str
    is_reply: bool


def base_subject(subject: str) -> BaseSubject:
    """Of a subject whose encoded words are decoded."""
    text = SPACES.sub(" ", subject[:LONGEST_CHARACTERS])
    is_reply = False
    while True:
        text = text.strip(" ")
        while (found := TRAILER.search(text)) is not None:
            text = text[: found.start()].rstrip(" ")
            is_reply = True
        while True:
            text = text.lstrip(" ")
            leader = LEADER.match(text)
            if leader is not None:
                text = text[leader.end() :]
                is_reply = True
                continue
            blob = BLOB.match(text)
            if blob is None or blob.end() == len(text):
                break
            text = text[blob.end() :]
        if FORWARD.match(text) is None or not text.endswith("]"):
            return BaseSubject(text, is_reply)
        text = text[5:-1]
        is_reply = True
