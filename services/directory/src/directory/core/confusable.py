"""What a name looks like (Unicode TS #39 §4): two local parts, or domains, with one skeleton are taken for each other.

Of Unicode's table only that is here which a local part of ours can have: it is in lower case and in one normal form
already (core/names.py). What differs in a mark only, such as e and é, is told apart by people and stays apart here.
"""

import unicodedata

import idna

# Letters of other scripts, and figures, by the Latin letters that they are taken for.
_ALIKE = {
    "o": "0\u03bf\u043e\u0585\u0966\u0be6\u0c66\u0d20\u0e50\u101d\u17e0\u05e1\u0647\u06d5",
    "l": "1|\u0131\u03b9\u04cf\u05d5\u05df\u0627\u0661\u06f1\u07ca\u2d4f\u4e28",
    "a": "\u03b1\u0430\u0251",
    "b": "\u044c\u0184",
    "c": "\u03f2\u0441\u1d04",
    "d": "\u0501",
    "e": "\u0435\u04bd\u212e",
    "f": "\u0192\u03dd",
    "g": "\u0261\u018d\u0581",
    "h": "\u04bb\u0570",
    "i": "\u0456\u0269\u02db",
    "j": "\u0458\u03f3",
    "k": "\u03ba\u043a",
    "n": "\u0578\u057c\u043f",
    "p": "\u03c1\u0440",
    "q": "\u051b\u0563\u0566",
    "r": "\u0433\u1d26",
    "s": "\u0455\u01bd",
    "t": "\u03c4\u0442",
    "u": "\u03c5\u057d\u1d1c",
    "v": "\u03bd\u0475\u1d20",
    "w": "\u03c9\u0461\u051d\u0561\u026f",
    "x": "\u03c7\u0445",
    "y": "\u0443\u04af\u03b3",
    "z": "\u1d22",
    "-": "\u2010\u2011\u2212\u06d4",
    ".": "\u0660\u06f0\u0701",
}
_TABLE = str.maketrans({each: latin for latin, others in _ALIKE.items() for each in others})
_PAIRS = (("rn", "m"), ("vv", "w"))


# Scripts that are written together (Unicode TS #39 §5.2, Highly Restrictive).
_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)


def mixes_scripts(local_part: str) -> bool:
    """Whether it has letters of scripts that nobody writes in one word: Latin and Cyrillic, say."""
    scripts = {
        unicodedata.name(each, "?").partition(" ")[0]
        for each in local_part
        if unicodedata.category(each)[0] == "L"
    }
    return len(scripts) > 1 and not any(scripts <= group for group in _TOGETHER)


def skeleton(local_part: str) -> str:
    """What it looks like. Not an address: only good to compare with others like it."""
    seen = unicodedata.normalize("NFD", local_part).translate(_TABLE)
    for pair, letter in _PAIRS:
        seen = seen.replace(pair, letter)
    return unicodedata.normalize("NFD", seen)


def domain_skeleton(name: str) -> str:
    """Of a domain in A-label form: what it looks like where its labels are shown in their own letters."""
    return ".".join(skeleton(label) for label in shown_labels(name))


def shown_labels(name: str) -> list[str]:
    """The U-labels of a domain (RFC 5890 §2.3.2.1); what only looks like an A-label stays as it is."""
    labels = []
    for label in name.split("."):
        try:
            labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
        except idna.IDNAError:
            labels.append(label)
    return labels
