"""The page over a real index and its retriever: what it shows is what the library answers."""

import pytest
from page_browser import DESKTOP, chromium
from starlette.testclient import TestClient
from video_files import numbered_video

from reference.small_indexes import small_index
from reference.small_stores import LENGTHS
from search.query.retriever import Retriever
from search.serve.app import create_app
from search.serve.searcher import Searcher
from search.serve.serve_settings import ServeSettings

SENTENCE = "rain in the north"


@pytest.fixture(scope="module")
def retriever(tmp_path_factory):
    """Of an untrained small model, over eight videos."""
    folder = tmp_path_factory.mktemp("real")
    index = small_index(folder)
    for video_id, num_frames in LENGTHS.items():
        numbered_video(folder / f"{video_id}.mp4", num_frames)
    loaded = Retriever.load(index, device="cpu")
    yield loaded
    loaded.close()


@pytest.fixture
def client(retriever, tmp_path):
    return TestClient(
        create_app(retriever, ServeSettings(preview_folder=tmp_path)),
        base_url="http://localhost",
        raise_server_exceptions=False,
    )


def test_it_is_what_a_server_needs(retriever):
    assert isinstance(retriever, Searcher)


def test_the_api_answers_what_the_library_does(client, retriever):
    answer = retriever.search(SENTENCE, 5, filters={"split": ["train"]})
    found = client.get(f"/api/search?q={SENTENCE}&k=5&filter=split=train").json()
    assert [hit["video_id"] for hit in found["hits"]] == [hit.video_id for hit in answer.hits]
    assert [hit["score"] for hit in found["hits"]] == [hit.score for hit in answer.hits]
    words = [[word["word"] for word in hit["words"]] for hit in found["hits"]]
    assert words == [[match.word for match in hit.matches] for hit in answer.hits]
    assert found["num_searched"] == answer.num_searched == 6


def test_the_other_directions_too(client, retriever):
    like = client.get("/api/like?id=a&k=3").json()["hits"]
    assert [hit["video_id"] for hit in like] == [hit.video_id for hit in retriever.like("a", 3)]
    sentences = client.get("/api/sentences?id=a&k=3").json()["sentences"]
    assert [one["text"] for one in sentences] == [o.text for o in retriever.sentences("a", 3)]
    streams = client.get(f"/api/explain?id=a&q={SENTENCE}").json()["streams"]
    assert streams[0]["stream"] == "fusion"
    assert streams[0]["score"] == retriever.explain("a", SENTENCE)[0].score
    assert len(streams[0]["similarities"]) == len(streams[0]["clips"])


def test_what_it_refuses_becomes_a_sentence(client):
    for path, status in (
        ("search?q=", 400),
        ("search?q=%00", 400),
        ("search?q=rain&filter=hair=red", 400),
        ("media?id=nobody", 404),
        ("like?id=../a", 404),
        ("explain?id=nobody&q=rain", 404),
    ):
        response = client.get(f"/api/{path}")
        assert response.status_code == status, path
        assert "/" not in response.json()["detail"]


def test_info_and_filters(client):
    info = client.get("/api/info").json()
    assert (info["num_videos"], info["num_sentences"], info["stage"]) == (8, 6, "fusion")
    assert client.get("/api/filters").json()["columns"] == {"split": ["dev", "train"]}


def test_in_the_browser(start_server, retriever):
    answer = retriever.search(SENTENCE, 12)
    port = start_server(retriever)
    with chromium() as browser:
        page = browser.new_page(viewport=DESKTOP)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("Type a sentence").fill(SENTENCE)
        page.get_by_role("button", name="Search", exact=True).click()
        page.locator(".card").first.wait_for()
        assert page.locator(".card h3").all_inner_texts() == [hit.text for hit in answer.hits]
        first = page.locator(".card").first
        words = first.locator(".word").all_inner_texts()
        assert words == [match.word for match in answer.hits[0].matches]
        first.get_by_role("button", name="Why it matched, video 1").click()
        first.locator(".strip").first.wait_for()
        streams = first.locator(".segments label").all_inner_texts()
        assert streams == ["fusion", "pose", "rgb"]
        assert page.evaluate("document.querySelector('.card video').videoWidth") == 128
