"""Text out of HTML."""

import pytest
from sieve.markup import text_of_html


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("a<b>b</b>c", "abc"),
        ("<p>one<p>two", " one two"),
        ("a<br>b", "a b"),
        ("<SCRIPT>x < y</Script>z", " z"),
        ("<style>p {}", " "),
        ("a<!-- > -->b", "ab"),
        ("a<!-- b", "a"),
        ("1 &lt; 2 &amp; &Auml;&#65;&#x42;", "1 < 2 & ÄAB"),
        ("&#00000000065;&#x0000000000042;", "AB"),
        ("&#" + "9" * 10_000 + ";x", "\ufffdx"),
        ("&#x" + "f" * 10_000 + ";x", "\ufffdx"),
        ("a <b", "a "),
        ("<scripture>x", " x"),
        ("İ<p>x", "İ x"),
    ],
)
def test_what_a_reader_sees(markup: str, text: str) -> None:
    assert text_of_html(markup) == text


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<a ", "&", "&#", "<p>", "</style"])
def test_repeated_pieces_end(piece: str) -> None:
    assert len(text_of_html(piece * 100_000)) <= len(piece) * 100_000
