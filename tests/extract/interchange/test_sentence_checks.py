from pathlib import Path

from extract.interchange.caption_checks import long_captions, shared_sentences
from seds_core.dataset_index import IndexedVideo


def video(video_id, split, text):
    return IndexedVideo(video_id, Path(video_id), split, text)


def test_start_and_end_count_as_tokens():
    videos = [video("a", "test", "rain " * 30), video("b", "test", "rain " * 31)]
    (finding,) = long_captions(videos, 32)
    assert finding.names == ("b (33 tokens)",)
    assert not list(long_captions(videos, 33))


def test_sentences_of_two_splits_are_named_once():
    videos = [
        video("a", "train", "Good evening"), video("b", "train", "Rain"),
        video("c", "test", "good  EVENING"), video("d", "test", "good  EVENING"),
        video("e", "dev", "Rain"), video("f", "test", "Snow"),
    ]  # fmt: skip
    findings = [(f.kind, f.text[:17], f.names) for f in shared_sentences(videos)]
    assert findings == [
        ("shared_sentence", "sentences of test", ("good  EVENING",)),
        ("shared_sentence", "sentences of dev ", ("Rain",)),
    ]
