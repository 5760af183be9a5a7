"""The pages in a real browser: accessible, whole on a phone, and without a request."""

import pytest
from page_browser import DESKTOP, PHONE, chromium, violations


@pytest.fixture
def pages(tmp_path, write_film):
    """A page of hits and one that explains, with long names in them."""
    import torch

    from search.engine.alignment import align
    from search.engine.ragged_tokens import QueryTokens
    from search.index.records import EntryRecord
    from search.report.explain_page import write_explain_page
    from search.report.hits_page import write_hits_page
    from search.results import Answer, Hit, Span, WordMatch
    from train.settings import SimilaritySettings

    name, word, film = "recording_" * 12, "donaudampfschifffahrt" * 3, write_film()
    match = WordMatch(word, Span(0.5, 1.0), 0.4)
    hit = Hit(1, name, film, "a sentence", None, 3.0, 0.5, (match,), {"signer": name}, name)
    write_hits_page(Answer((hit,), (name,), 0.1, 9, True), word, tmp_path / "hits.html")
    tokens = [QueryTokens(torch.eye(30)[:n], torch.ones(n, dtype=torch.bool)) for n in (30, 3)]
    alignment = align(
        *tokens, SimilaritySettings(temperature=0.1, padding="masked"), stream="rgb",
        words=["[start]", word, "[end]"], clips=[Span(n / 10, n / 10 + 0.2) for n in range(29)],
    )  # fmt: skip
    record = EntryRecord(name, film, "", None, 3.0, {}, torch.zeros(0, 2).numpy())
    write_explain_page([alignment], record, word, tmp_path / "why.html")
    return [tmp_path / page for page in ("hits.html", "why.html")]


def test_pages_in_a_browser(pages):
    with chromium() as browser:
        for scheme in ("light", "dark"):
            for path in pages:
                # Axe is a script, and the pages' policy allows none.
                page = browser.new_page(viewport=DESKTOP, color_scheme=scheme, bypass_csp=True)
                requests = []
                page.on("request", lambda request, kept=requests: kept.append(request.url))
                page.goto(path.as_uri())
                assert violations(page) == []
                assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
                page.set_viewport_size(PHONE)
                width = page.evaluate("() => document.documentElement.scrollWidth")
                assert width <= PHONE["width"], path.name
                page.close()
