"""The page in a real browser: what a user sees, does, and can do without a mouse."""

import re
from itertools import pairwise

import pytest
from page_browser import DESKTOP, PHONE, chromium, until, violations
from search_stand_in import StandIn, record
from video_files import numbered_frames, write_video

from search.results import Span

DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Four videos of three seconds, and one of twelve."""
    folder = tmp_path_factory.mktemp("signed")
    files = [
        write_video(folder / f"{n}.mp4", numbered_frames(30, 192, 144), fps=10) for n in range(4)
    ]
    files.append(write_video(folder / "long.mp4", numbered_frames(120, 192, 144), fps=10))
    return files


@pytest.fixture
def retriever(signed, tmp_path):
    def short(video_id, path, text, signer, split):
        return record(video_id, path, text, duration=3.0, signer=signer, split=split)

    return StandIn(
        [
            short("a/1", signed[0], "the child wants water", "anna", "test"),
            short("a/2", signed[1], "my friend buys bread", "ben", "test"),
            short("a/3", signed[2], "the child buys a book", "ben", "dev"),
            short("gone", tmp_path / "gone.mp4", "a book", "anna", "dev"),
            record("long", signed[4], "rain tomorrow", duration=12.0, span=Span(4.0, 7.0)),
        ]
    )


@pytest.fixture
def open_page(browser, start_server, retriever):
    """Opens the page; fails the test for anything that the browser complains of."""
    complaints, contexts = [], []

    def open_it(size=DESKTOP, path="/", **how):
        port = start_server(retriever)
        context = browser.new_context(viewport=size, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else 0)
        page.on("request", lambda asked: complaints.append(asked.url)
                if f"//127.0.0.1:{port}/" not in asked.url and not asked.url.startswith("blob:")
                else 0)  # fmt: skip
        page.goto(f"http://127.0.0.1:{port}{path}")
        page.wait_for_selector("#filter-columns fieldset", state="attached")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


def search(page, sentence):
    page.get_by_label("Type a sentence").fill(sentence)
    page.get_by_role("button", name="Search", exact=True).click()
    until(page, "document.querySelector('#status').textContent.includes('best first')")


def cards(page):
    return page.locator(".card")


def sentences(page):
    return page.locator(".card h3").all_inner_texts()


def current_time(page, number=0):
    return page.evaluate(f"document.querySelectorAll('.card video')[{number}].currentTime")


def played(page, number=0, samples=12):
    """Times of a video while it plays."""
    until(
        page,
        f"(() => {{ const v = document.querySelectorAll('.card video')[{number}];"
        " return v && !v.paused && v.currentTime > 0; })()",
    )
    times = []
    for _ in range(samples):
        times.append(current_time(page, number))
        page.wait_for_timeout(100)
    return times


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_sentence_is_typed_and_its_video_plays_first(open_page, size):
    page = open_page(size)
    search(page, "the child wants water")
    assert sentences(page)[0] == "the child wants water"
    assert "5 videos of 5, best first" in page.locator("#status").inner_text()
    cards(page).first.scroll_into_view_if_needed()
    times = played(page)
    assert max(times) > min(times)
    assert page.evaluate("document.querySelector('.card video').muted")
    # Nothing sticks out at the side.
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]


def test_what_is_typed_before_the_page_is_ready_stays(open_page):
    page = open_page()
    waiting = []
    page.route("**/api/filters*", lambda route: waiting.append(route))
    page.reload()
    page.get_by_label("Type a sentence").fill("water")
    while not waiting:
        page.wait_for_timeout(20)
    waiting.pop().fallback()
    page.wait_for_selector("#filter-columns fieldset", state="attached")
    assert page.get_by_label("Type a sentence").input_value() == "water"


def test_of_a_recording_the_moment_is_played(open_page):
    page = open_page()
    search(page, "rain tomorrow")
    assert page.locator(".moment").first.inner_text() == f"4.0{DASH}7.0 s"
    times = played(page, samples=45)
    assert min(times) >= 3.9
    assert max(times) <= 7.2
    # It was played over and over.
    assert any(later < earlier for earlier, later in pairwise(times))


def test_a_word_shows_where_it_was_found(open_page):
    page = open_page()
    search(page, "the child wants water")
    first = cards(page).first
    word = first.get_by_role("button", name="water: 2.0 to 2.5 seconds, cosine 0.90")
    lane = first.locator(".lane").nth(3)
    word.focus()
    assert first.locator(".detail").inner_text() == f"water · 2.0{DASH}2.5 s · cosine 0.90"
    assert "looked-at" in lane.get_attribute("class")
    first.get_by_role("button", name="child:").hover()
    assert first.locator(".detail").inner_text().startswith("child · ")
    word.click()
    assert word.get_attribute("aria-pressed") == "true"
    page.wait_for_timeout(300)
    times = [t for t in played(page) if t]
    assert min(times) >= 1.9
    assert max(times) <= 2.65
    box = first.locator(".timeline").bounding_box()
    bar = lane.locator(".bar").bounding_box()
    assert (bar["x"] - box["x"]) / box["width"] == pytest.approx(2 / 3, abs=0.02)


def test_why_it_matched(open_page):
    page = open_page()
    search(page, "the child wants water")
    first = cards(page).first
    first.get_by_role("button", name="Why it matched, video 1").click()
    strip = first.get_by_role("slider", name="Clips for “water”")
    assert strip.get_attribute("aria-valuetext") == ("clip 5 of 6, 2.0 to 2.5 seconds, cosine 0.90")
    strip.focus()
    page.keyboard.press("ArrowRight")
    assert strip.get_attribute("aria-valuenow") == "6"
    page.keyboard.press("Home")
    detail = first.locator(".alignment .detail")
    assert detail.inner_text() == f"water · 0.0{DASH}0.5 s · cosine 0.10"
    first.get_by_label("pose").check()
    assert "pose stream" in first.locator("caption").inner_text()
    first.get_by_role("button", name="Why it matched, video 1").click()
    assert not first.locator(".panel").is_visible()


def test_filters_narrow_and_stay_in_the_address(open_page):
    page = open_page()
    search(page, "the child")
    page.get_by_role("group", name="signer").get_by_label("ben").check()
    until(page, "document.querySelectorAll('.card').length === 2")
    assert sentences(page) == ["the child buys a book", "my friend buys bread"]
    assert "q=the+child&filter=signer%3Dben" in page.url
    page.reload()
    until(page, "document.querySelectorAll('.card').length === 2")
    assert page.get_by_label("ben").is_checked()
    page.go_back()
    until(page, "document.querySelectorAll('.card').length === 5")
    assert not page.get_by_label("ben").is_checked()


def test_more_like_this_and_back(open_page):
    page = open_page()
    search(page, "the child wants water")
    cards(page).first.get_by_role("button", name="More like this, video 1").click()
    page.get_by_role("heading", name="Like “the child wants water”").wait_for()
    assert page.evaluate("document.activeElement.id") == "results"
    assert "the child wants water" not in sentences(page)
    page.go_back()
    page.get_by_role("heading", name="“the child wants water”", exact=True).wait_for()


def test_a_videos_sentences_can_be_searched_for(open_page):
    page = open_page()
    search(page, "the child wants water")
    cards(page).nth(1).get_by_role("button", name=re.compile("Sentences")).click()
    best = cards(page).nth(1).locator(".sentences button").first
    text = best.inner_text()
    best.click()
    page.get_by_role("heading", name=f"“{text}”").wait_for()
    assert page.get_by_label("Type a sentence").input_value() == text


def test_a_gone_video_is_told_and_the_others_play(open_page):
    page = open_page()
    search(page, "a book")
    assert sentences(page)[0] == "a book"
    told = cards(page).first.locator(".problem")
    assert told.inner_text() == "This video is no longer where the index found it."
    played(page, 1, samples=2)


def test_warnings_and_errors_are_sentences(open_page):
    page = open_page()
    search(page, "the zeppelin")
    assert page.locator("#warnings li").all_inner_texts() == ["The word “zeppelin” is not known"]


def record_signing(page):
    page.get_by_role("button", name="search by signing").click()
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("Recording: ").wait_for()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Find videos like it").wait_for()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_signing_before_the_camera(open_page, retriever, size):
    page = open_page(size)
    record_signing(page)
    assert page.evaluate("document.querySelector('#sign-video').srcObject") is None
    length = float(page.locator("#trim-end").input_value())
    assert length > 1
    page.locator("#trim-start").fill("0.4")
    assert page.locator("#trim-start-text").inner_text() == "0.4 s"
    with page.expect_request("**/api/video*") as sent:
        page.get_by_role("button", name="Find videos like it").click()
    assert "start=0.4&" in sent.value.url
    page.get_by_role("heading", name="Videos like yours").wait_for()
    assert len(retriever.files_seen) == 1
    assert not retriever.files_seen[0].exists()
    page.get_by_role("button", name="Record again").click()
    page.get_by_role("button", name="Record", exact=True).wait_for()


def test_uploading_a_file(open_page, retriever, signed):
    page = open_page()
    page.get_by_role("button", name="search by signing").click()
    page.get_by_label("Or choose a video file").set_input_files(signed[0])
    page.get_by_role("button", name="What does it say?").click()
    page.get_by_role("heading", name="What your video may say").wait_for()
    listed = page.locator("#sentences button").all_inner_texts()
    assert listed[0] == "the child wants water"


def test_a_file_that_is_no_video_is_told(open_page, tmp_path):
    (tmp_path / "x.mp4").write_text("no video at all")
    page = open_page()
    page.on("console", lambda _: None)
    page.get_by_role("button", name="search by signing").click()
    page.get_by_label("Or choose a video file").set_input_files(tmp_path / "x.mp4")
    page.get_by_text("This browser cannot show the file").wait_for()


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    keys = page.keyboard
    keys.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    for _ in range(20):
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "sentence":
            break
    keys.type("the child wants water")
    keys.press("Enter")
    played(page, samples=1)

    def tab_to(name, presses=80):
        for _ in range(presses):
            keys.press("Tab")
            found = page.evaluate(
                "document.activeElement.getAttribute('aria-label') ||"
                " document.activeElement.textContent"
            )
            shown = page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle !== 'none' ||"
                " document.activeElement.matches('body, #sentence, .results')"
            )
            assert shown, f"no ring shows the focus on {found}"
            if found.startswith(name):
                return
        pytest.fail(f"{name} is not reached by the Tab key")

    tab_to("Pause video 1")
    keys.press("Space")
    assert page.evaluate("document.querySelector('.card video').paused")
    tab_to("water: ")
    keys.press("Enter")
    tab_to("Why it matched, video 1")
    keys.press("Enter")
    page.wait_for_selector(".strip")
    tab_to("Clips for “the”")
    keys.press("ArrowRight")
    tab_to("More like this, video 1")
    keys.press("Enter")
    page.get_by_role("heading", name="Like “the child wants water”").wait_for()
    # Through all of the page and out of it again: nothing holds the focus.
    for _ in range(200):
        keys.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    else:
        pytest.fail("the focus never leaves the page")


def test_all_videos_can_be_paused(open_page):
    page = open_page()
    search(page, "the child wants water")
    played(page, samples=1)
    page.get_by_role("button", name="Pause all videos").click()
    still = [current_time(page), page.wait_for_timeout(400), current_time(page)]
    assert still[0] == still[2]


def test_nothing_moves_where_motion_is_not_wanted(open_page):
    page = open_page(reduced_motion="reduce")
    search(page, "the child wants water")
    page.wait_for_timeout(700)
    paused = "[...document.querySelectorAll('.card video')].every((v) => v.paused)"
    assert page.evaluate(paused)
    assert (
        page.get_by_role("button", name="Pause all videos").get_attribute("aria-pressed") == "true"
    )
    page.get_by_role("button", name="Play video 1").click()
    assert played(page, samples=3)[-1] > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_no_serious_violation(open_page, scheme, size):
    page = open_page(size, color_scheme=scheme)
    assert violations(page) == []
    record_signing(page)
    search(page, "the child wants zeppelins")
    cards(page).first.get_by_role("button", name="Why it matched").click()
    page.wait_for_selector(".strip")
    cards(page).nth(1).get_by_role("button", name=re.compile("Sentences")).click()
    page.wait_for_selector(".panel .sentences")
    cards(page).first.locator(".word").first.click()
    page.locator("#filters-box").evaluate("(box) => { box.open = true; }")
    page.wait_for_timeout(300)
    assert violations(page) == []
