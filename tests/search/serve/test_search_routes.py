"""Searching over HTTP: by sentence, by video of the index, with filters, and why."""

import pytest

from search.results import Span


def hits(response):
    assert response.status_code == 200, response.text
    return [hit["video_id"] for hit in response.json()["hits"]]


def test_a_sentence_finds_its_video_first(client):
    response = client.get("/api/search", params={"q": "the child wants water", "k": 2})
    assert hits(response)[0] == "first"
    first = response.json()["hits"][0]
    assert (first["rank"], first["score"], first["is_there"]) == (1, 1.0, True)
    assert [word["word"] for word in first["words"]] == ["the", "child", "wants", "water"]
    assert first["words"][3]["span"] == {"start": 1.333, "end": 1.667}
    assert response.json()["num_searched"] == 3


def test_unknown_words_are_told(client):
    response = client.get("/api/search", params={"q": "the zeppelin"})
    assert response.json()["warnings"] == ["the word “zeppelin” is not known"]


def test_any_value_of_one_column_and_all_columns(client):
    both = client.get("/api/search?q=child&filter=signer=anna&filter=signer=ben")
    assert len(hits(both)) == 3
    assert hits(client.get("/api/search?q=child&filter=signer=ben&filter=split=b")) == ["third"]


def test_a_value_may_hold_the_sign_between_column_and_value(client, retriever):
    retriever.records[0].columns["signer"] = "a=b"
    assert hits(client.get("/api/search?q=x&filter=signer=a%3Db")) == ["first"]


def test_like_finds_others(client):
    assert hits(client.get("/api/like?id=first")) == ["third", retriever_ids(client)[1]]


def retriever_ids(client):
    return [found.video_id for found in client.app.state.service.retriever.records]


@pytest.mark.parametrize("route", ["like", "sentences", "explain", "media"])
def test_an_id_is_looked_up_and_nothing_else(client, route):
    parameters = {"id": "../../etc/passwd", "q": "x"}
    response = client.get(f"/api/{route}", params=parameters)
    assert response.status_code == 404
    assert response.json() == {"detail": "the index has no video of this id"}


def test_ids_may_hold_anything(client):
    odd = retriever_ids(client)[1]
    found = client.get("/api/search", params={"q": "my friend buys bread", "k": 1}).json()
    assert found["hits"][0]["video_id"] == odd
    assert client.get(found["hits"][0]["media"]).status_code == 200
    assert client.get("/api/sentences", params={"id": odd}).status_code == 200


def test_sentences_of_a_video_best_first(client):
    found = client.get("/api/sentences?id=third").json()["sentences"]
    assert found[0] == {
        "rank": 1, "text": "the child buys a book", "score": 1.0, "probability": None,
        "video_ids": ["third"],
    }  # fmt: skip


def test_moments_reach_the_retriever(client, retriever, monkeypatch):
    seen = []
    for name in ("like", "sentences", "explain"):
        call = getattr(retriever, name)

        def wrapped(*args, _call=call, **how):
            seen.append(how.get("span") or how.get("trim"))
            return _call(*args, **how)

        monkeypatch.setattr(retriever, name, wrapped)
        client.get(f"/api/{name}?id=first&q=water&start=0.5&end=1.5")
    assert seen == [Span(0.5, 1.5)] * 3


def test_an_explanation_has_a_row_for_each_clip(client):
    streams = client.get("/api/explain?id=first&q=the water").json()["streams"]
    assert [stream["stream"] for stream in streams] == ["fusion", "pose"]
    similarities = streams[0]["similarities"]
    assert [row[1] for row in similarities] == [0.1, 0.1, 0.1, 0.1, 0.9, 0.1]
    assert len(streams[0]["clips"]) == len(similarities) == 6


def test_filters_are_the_columns_and_their_values(client):
    columns = client.get("/api/filters").json()["columns"]
    assert columns == {"signer": ["anna", "ben"], "split": ["a", "b"]}


def test_info_counts_and_tells_the_limits(make_client, retriever):
    info = make_client(retriever, upload_seconds=7.0).get("/api/info").json()
    assert (info["num_videos"], info["limits"]["upload_seconds"]) == (3, 7.0)


def test_the_api_describes_itself(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {
        "/api/search", "/api/like", "/api/video", "/api/sentences", "/api/explain", "/api/filters",
        "/api/info", "/api/health", "/api/media",
    } == set(paths)  # fmt: skip
    assert "video/*" in paths["/api/video"]["post"]["requestBody"]["content"]


def test_health_and_metrics(client):
    assert client.get("/api/health").json() == {"status": "ok"}
    client.get("/api/search?q=child")
    client.get("/api/search?q=")
    text = client.get("/metrics").text
    assert 'seds_requests_total{method="GET",route="/api/search",status="200"} 1.0' in text
    assert 'seds_requests_total{method="GET",route="/api/search",status="400"} 1.0' in text
    assert "seds_searches_under_way 0.0" in text
    assert "child" not in text  # sentences are nobody else's business
