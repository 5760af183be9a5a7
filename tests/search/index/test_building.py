"""An index holds what evaluation would score, and a build does only what is left to do."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from reference.small_indexes import small_index, small_run
from reference.small_stores import (
    LENGTHS,
    POSE,
    RGB,
    SENTENCES,
    pose_video,
    rgb_video,
    small_data_set,
    write_store,
)
from search.engine.ragged_tokens import padded
from search.index import adding
from search.index.build import add_to_index, build_index
from search.index.deletion import VideosNotInIndexError, delete_videos
from search.index.encoding import TokenEncoder
from search.index.identity import OtherModelError
from search.index.part import Part
from search.settings import SearchSettings
from seds_core.errors import UsageError
from train.evaluation.load_model import OtherStoresError, load_run_model
from train.evaluation.scoring import evaluate_split
from train.model.fine_grained_similarity import retrieval_score
from train.text.text_encoder import build_tokenizer

VIDEOS = list(LENGTHS)


def snapshot_of(path):
    return Part.open(path).snapshot()


def described(path):
    """What an index says of its videos."""
    snapshot = snapshot_of(path)
    records = snapshot.records(np.flatnonzero(snapshot.is_live))
    return {record.video_id: (record.text, record.columns) for record in records}


def write_table(folder, lines, columns=("video_id", "path", "split", "text")):
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])


@pytest.mark.parametrize("padding", ["masked", "published"])
@pytest.mark.parametrize("stage", ["fusion", "pose", "rgb"])
def test_entries_score_as_in_evaluation(tmp_path, stage, padding):
    snapshot = snapshot_of(small_index(tmp_path, stage=stage, padding=padding))
    loaded = load_run_model(tmp_path / "run" / "best.pt", torch.device("cpu"))
    tokenizer = build_tokenizer(loaded.text)
    scores = evaluate_split(
        loaded.model, loaded.data, "train", tokenizer,
        settings=loaded.settings, device=torch.device("cpu"),
    )  # fmt: skip
    gallery = scores.gallery
    entries = [snapshot.entries_of(video_id)[0] for video_id in gallery.video_ids]
    texts = snapshot.texts(range(len(snapshot.sentences)))
    found = retrieval_score(
        *interleaved(
            padded(snapshot.signs, np.array(entries)),
            padded(snapshot.sentences, np.array([texts.index(t) for t in gallery.sentences])),
        ),
        loaded.settings.similarity,
    )
    # Tokens are kept in half precision.
    assert np.allclose(found.numpy(), scores.scores[stage], atol=2e-3)
    slots = 7 if padding == "published" else snapshot.signs.num_real
    assert np.array_equal(snapshot.signs.num_tokens, np.broadcast_to(slots, len(VIDEOS)))


def interleaved(signs, words):
    return signs[0], words[0], signs[1], words[1]


def test_all_splits_and_videos_without_a_sentence_are_there(tmp_path):
    data = small_data_set(tmp_path)
    lines = [(v, f"{v}.mp4", "train" if v < "d" else "", "" if v == "b" else "x") for v in VIDEOS]
    write_table(tmp_path, lines)
    path = small_index(tmp_path, data=data)
    assert described(path) == {
        v: ("" if v == "b" else "x", {"split": "train"} if v < "d" else {}) for v in VIDEOS
    }
    snapshot = snapshot_of(path)
    assert snapshot.sentence_of_entry.tolist() == [-1 if v == "b" else 0 for v in VIDEOS]


def test_clips_have_their_seconds(tmp_path):
    snapshot = snapshot_of(small_index(tmp_path))
    short, long = snapshot.records([VIDEOS.index("b"), VIDEOS.index("c")])
    # At 25 frames a second: 9 frames are one clip; of 95, every third is on the timeline.
    assert np.allclose(short.clip_spans, [[0, 9 / 25]])
    assert np.allclose(long.clip_spans[[0, -1]], [[0, 46 / 25], [48 / 25, 94 / 25]])
    assert short.path == tmp_path / "b.mp4"


def test_the_same_call_again_encodes_nothing(tmp_path, monkeypatch):
    path = small_index(tmp_path)
    version = snapshot_of(path).version
    monkeypatch.setattr(TokenEncoder, "videos", None)
    result = build_index(path, run=tmp_path / "run", devices="cpu")
    assert (result.num_unchanged, result.num_entries) == (len(VIDEOS), 0)
    assert snapshot_of(path).version == version


def test_another_sentence_or_column_replaces_records_and_encodes_no_video(tmp_path, monkeypatch):
    path = small_index(tmp_path)
    before = snapshot_of(path)
    lines = [(v, f"{v}.mp4", "train", t, "anna") for v, t in zip(VIDEOS, SENTENCES, strict=True)]
    lines[0] = ("a", "elsewhere/a.mp4", "train", "a new sentence", "ben")
    write_table(tmp_path, lines, ("video_id", "path", "split", "text", "signer"))
    monkeypatch.setattr(TokenEncoder, "videos", None)
    result = build_index(path, run=tmp_path / "run", devices="cpu")
    assert (result.num_described_anew, result.num_new, result.num_changed) == (len(VIDEOS), 0, 0)
    after = snapshot_of(path)
    assert np.array_equal(after.signs.tokens, before.signs.tokens)
    (record,) = after.records([0])
    assert (record.text, record.columns["signer"]) == ("a new sentence", "ben")
    assert record.path == tmp_path / "elsewhere" / "a.mp4"
    assert after.texts(after.sentence_of_entry[:1]) == ["a new sentence"]
    assert (before.records([0])[0].text, len(after.sentences)) == (SENTENCES[0], 7)


def test_a_video_whose_rows_changed_is_encoded_again_and_no_other(tmp_path):
    path = small_index(tmp_path)
    before = snapshot_of(path)
    write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("c", 96, content="c1")])
    write_store(tmp_path / "pose.zarr", POSE, [pose_video("c", 96, content="c1")])
    result = build_index(path, run=tmp_path / "run", devices="cpu")
    assert (result.num_changed, result.num_entries, result.num_unchanged) == (1, 1, 7)
    after = snapshot_of(path)
    (old,), (new,) = before.entries_of("c"), after.entries_of("c")
    assert new == len(VIDEOS)
    assert not np.array_equal(before.signs.of(old), after.signs.of(new))
    assert after.num_live == len(VIDEOS)


def test_a_deleted_video_stays_away_until_it_is_built_again(tmp_path):
    path = small_index(tmp_path)
    with pytest.raises(VideosNotInIndexError, match="nope"):
        delete_videos(path, ["a", "nope"])
    assert "a" in described(path)
    assert delete_videos(path, ["a", "a", "h"]).num_videos == 2
    assert set(described(path)) == set(VIDEOS) - {"a", "h"}
    assert build_index(path, run=tmp_path / "run", devices="cpu").num_new == 2
    assert set(described(path)) == set(VIDEOS)


def test_what_is_wrong_with_a_video_costs_no_other(tmp_path):
    data = small_data_set(tmp_path)
    run = small_run(tmp_path, data=data)
    bad = rgb_video("bad", 50)
    bad.rows["features"][1, 2] = np.nan
    write_store(tmp_path / "rgb.zarr", RGB, [bad])
    write_store(tmp_path / "pose.zarr", POSE, [pose_video("bad", 50)])
    table = [("bad", "bad.mp4", "", "a bad one"), *((v, f"{v}.mp4", "", "x") for v in VIDEOS)]
    write_table(tmp_path, table)
    result = build_index(tmp_path / "index", run=run, devices="cpu", batch_size=3)
    (failed,) = result.failed
    assert (failed.video_id, "not finite" in failed.reason) == ("bad", True)
    assert set(described(tmp_path / "index")) == set(VIDEOS)
    part = Part.open(tmp_path / "index")
    assert list(part.snapshot().reader.failures()) == ["bad"]
    # Extracted again, it is no failure any more.
    write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("bad", 51, content="c1")])
    write_store(tmp_path / "pose.zarr", POSE, [pose_video("bad", 51, content="c1")])
    assert build_index(tmp_path / "index", run=run, devices="cpu").num_new == 1
    assert part.snapshot().reader.failures() == {}


def test_what_was_committed_before_a_stop_is_not_encoded_again(tmp_path, monkeypatch):
    run, search = small_run(tmp_path), SearchSettings(query_bank=0)
    monkeypatch.setattr(adding, "COMMIT_ENTRIES", 2)
    encode, calls = TokenEncoder.videos, []

    def stopped(self, signs):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(signs.num_videos)
        return encode(self, signs)

    monkeypatch.setattr(TokenEncoder, "videos", stopped)
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "index", run=run, devices="cpu", batch_size=3, search=search)
    assert list(described(tmp_path / "index")) == VIDEOS[:6]
    monkeypatch.setattr(TokenEncoder, "videos", encode)
    result = build_index(tmp_path / "index", run=run, devices="cpu")
    assert (result.num_new, result.num_unchanged) == (2, 6)
    texts = [text for text, _ in described(tmp_path / "index").values()]
    assert texts == SENTENCES


def test_without_a_table_the_stores_name_the_videos_and_known_sentences_stay(tmp_path):
    path = small_index(tmp_path)
    known = described(path)
    (tmp_path / "index.csv").unlink()
    write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 31, "c1"), rgb_video("new", 33)])
    write_store(
        tmp_path / "pose.zarr", POSE, [pose_video("a", 31, None, "c1"), pose_video("new", 33)]
    )
    result = add_to_index(path, devices="cpu")
    assert (result.num_new, result.num_changed, result.num_described_anew) == (1, 1, 0)
    assert described(path) == known | {"new": ("", {})}
    assert snapshot_of(path).records(snapshot_of(path).entries_of("new"))[0].path.name == "new.mp4"


def test_further_stores_are_added_and_remembered(tmp_path):
    path = small_index(tmp_path)
    more = tmp_path / "more"
    more.mkdir()
    write_table(more, [("x", "x.mp4", "test", "wind")])
    stores = {
        "rgb": write_store(more / "rgb.zarr", RGB, [rgb_video("x", 44)]),
        "pose": write_store(more / "pose.zarr", POSE, [pose_video("x", 44)]),
    }
    result = add_to_index(
        path, rgb=[stores["rgb"]], pose=stores["pose"], index=more / "index.csv", devices="cpu"
    )
    assert (result.num_new, snapshot_of(path).num_live) == (1, len(VIDEOS) + 1)
    write_table(more, [("x", "x.mp4", "test", "the sun")])
    assert add_to_index(path, devices="cpu").num_described_anew == 1
    assert described(path)["x"][0] == "the sun"


def test_a_dry_run_writes_nothing(tmp_path):
    run = small_run(tmp_path)
    result = build_index(tmp_path / "index", run=run, devices="cpu", dry_run=True)
    assert (result.num_new, result.num_entries) == (len(VIDEOS), 0)
    assert not (tmp_path / "index").exists()
    build_index(tmp_path / "index", run=run, devices="cpu")
    delete_videos(tmp_path / "index", ["b"])
    version = snapshot_of(tmp_path / "index").version
    result = build_index(tmp_path / "index", run=run, devices="cpu", dry_run=True)
    assert (result.num_new, snapshot_of(tmp_path / "index").version) == (1, version)


def test_another_model_is_refused(tmp_path):
    path = small_index(tmp_path)
    other = small_run(tmp_path, name="other", seed=1, data=small_paths(tmp_path))
    with pytest.raises(OtherModelError, match="checkpoint: "):
        build_index(path, run=other, devices="cpu")
    with pytest.raises(OtherModelError, match="is not the model"):
        add_to_index(path, run=other, devices="cpu")


def small_paths(folder):
    names = {"index": "index.csv", "rgb": "rgb.zarr", "pose": "pose.zarr"}
    return {kind: folder / name for kind, name in names.items()}


def test_other_search_settings_are_refused(tmp_path):
    path = small_index(tmp_path)
    with pytest.raises(OtherModelError, match="coarse_dim"):
        build_index(path, run=tmp_path / "run", devices="cpu", search=SearchSettings(coarse_dim=9))


def test_stores_made_otherwise_are_refused_by_what_differs(tmp_path):
    run = small_run(tmp_path)
    other = replace(RGB, weights=replace(RGB.weights, sha256="1" * 64))
    write_store(tmp_path / "other.zarr", other, [rgb_video("a", 30)])
    with pytest.raises(OtherStoresError, match=r"weights\.sha256"):
        build_index(tmp_path / "index", run=run, rgb=[tmp_path / "other.zarr"], devices="cpu")
    assert not (tmp_path / "index").exists()


def test_a_run_without_the_checkpoint_is_refused(tmp_path):
    run = small_run(tmp_path)
    with pytest.raises(UsageError, match=r"last\.pt"):
        build_index(tmp_path / "index", run=run, which="last", devices="cpu")


def test_a_projection_of_the_first_few_videos_is_fitted_anew(tmp_path, monkeypatch):
    run = small_run(tmp_path)
    monkeypatch.setattr(adding, "COMMIT_ENTRIES", 1)
    build_index(tmp_path / "index", run=run, devices="cpu", batch_size=1)
    found = snapshot_of(tmp_path / "index")
    assert (found.generation, found.num_live) == (2, len(VIDEOS))
    monkeypatch.undo()
    build_index(tmp_path / "at_once", run=run, devices="cpu")
    at_once = snapshot_of(tmp_path / "at_once")
    assert at_once.generation == 1
    assert np.allclose(np.abs(found.projection.step), np.abs(at_once.projection.step), rtol=1e-3)
