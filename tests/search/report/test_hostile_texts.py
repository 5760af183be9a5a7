"""Texts that users or attackers wrote are shown as text, wherever they stand."""

import pytest

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><b>bold</b>",
    "</text></svg><script>alert(1)</script>",
    "<!-- comment",
    "&lt;b&gt; &amp; &#60;",
    "nul\x00 bell\x07 escape\x1b[31m delete\x7f next\x85",
    "abc\u202egpj.exe \u2066isolated",
    "half a pair \ud800 and a byte \udcfc",
    "שלום العربية 手話 🤟",
]


def hit_of(text, path):
    from search.results import Hit, Span, WordMatch

    match = WordMatch(text, Span(0.1, 0.5), 0.25)
    return Hit(1, text, path, text, None, 2.0, 0.5, (match,), {text: text}, text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_of_hits_holds_it_as_text(text, tmp_path, read_page, write_film):
    from search.report.hits_page import write_hits_page
    from search.report.markup import visible
    from search.results import Answer

    hits = (hit_of(text, write_film()), hit_of(text, tmp_path / "gone.mp4"))
    answer = Answer(hits[:1], (text,), 0.1, 3, True)
    path = tmp_path / "hits.html"
    write_hits_page(answer, text, path)
    page = read_page(path)
    # Title, heading, sentence, columns, word, and more: the same text each time.
    assert page.text.count(visible(text)) >= 10
    raw = path.read_bytes()
    assert b"\x00" not in raw
    assert b"\x1b" not in raw
    assert "\u202e".encode() not in raw


def test_texts_of_users_do_not_turn_the_text_around_them(tmp_path, read_page, write_film):
    from search.report.hits_page import write_hits_page
    from search.results import Answer

    answer = Answer((hit_of("שלום", write_film()),), (), 0.1, 3, True)
    write_hits_page(answer, "שלום", tmp_path / "hits.html")
    page = read_page(tmp_path / "hits.html")
    # The id, the sentence, the column's value, the part and the path are isolated.
    assert len(page.all("bdi")) >= 6


def test_what_is_visible_stays():
    from search.report.markup import visible

    # Marks that Arabic, Hebrew, Persian and emoji are written with, a soft hyphen, a line break.
    text = "a\u200eb\u200fc\u200dd\u200ce 👩‍🦰\nü\u0308\t手"
    assert visible(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a\"b'c", ' x="a&quot;b&#39;c"'), (True, " x"), (False, ""), (None, ""), (2.5, ' x="2.5"')],
)
def test_attributes(value, expected):
    from search.report.markup import element

    assert element("p", x=value) == f"<p{expected}></p>"


def test_markup_is_not_escaped_twice_and_text_once():
    from search.report.markup import element

    inner = element("b", "<&>")
    assert element("p", inner, "<", class_="a") == '<p class="a"><b>&lt;&amp;&gt;</b>&lt;</p>'
    assert element("br") == "<br>"
