"""Charsets: all that Python has by all their names, and no others, which are not even asked for."""

import codecs
import encodings
import pkgutil

import pytest
from mailmsg.charset import codec_of
from mailmsg.words import decode_words

# No charsets of text, or none that a mail may be in.
NONE = {
    "aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "punycode", "quopri_codec",
    "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec",
}  # fmt: skip


def test_all_codecs_of_python_are_known() -> None:
    names = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    for name in names - NONE:
        assert codec_of(name) == codecs.lookup(name).name
    assert [name for name in names & NONE if codec_of(name) is not None] == []


@pytest.mark.parametrize(
    "name",
    ["UTF-8", "utf8", "ISO-8859-1", "iso8859-15", "latin1", "Windows-1252", "Shift_JIS", "GB18030", "KS_C_5601-1987",
     "koi8-r", "KOI8-U", "ANSI_X3.4-1968", "us-ascii", "hz-gb-2312", "iso-2022-jp", "utf-7", "macintosh", "utf--8"],
)  # fmt: skip
def test_names_of_mails(name: str) -> None:
    assert codec_of(name) == codecs.lookup(name).name


def test_what_strangers_make_up_is_remembered_nowhere() -> None:
    before = len(vars(encodings)["_cache"])
    words = b" ".join(b"=?x-%d?Q?a?= =?utf%s8?Q?b?= c" % (n, b"-" * (n % 50)) for n in range(500))
    decode_words(words)  # The spellings that there are may come in once.
    assert len(vars(encodings)["_cache"]) <= before + 1
    assert decode_words(b"=?x-none?Q?gr=C3=BCn?=") == "grün"
    assert codec_of("x" * 100_000) is None
