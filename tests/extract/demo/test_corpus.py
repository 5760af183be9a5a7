"""A corpus: its plan, its files, and going on after an interruption."""

import csv

import av
import numpy as np
import pytest
from pydantic import ValidationError

from extract.demo import corpus as corpus_module
from extract.demo.corpus import (
    INDEX_COLUMNS,
    SyntheticCorpus,
    plan_corpus,
    render_video,
    write_corpus,
)
from extract.videos.video_writing import write_video
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError

SMALL = SyntheticCorpus(num_sentences=2, train_signers=1, dev_signers=0, test_signers=1, side=128)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return folder, write_corpus(folder, SMALL)


def test_signers_are_in_one_split_each():
    plan = plan_corpus(SyntheticCorpus(num_sentences=5, takes=2))
    assert len(plan) == 9 * 5 * 2
    signers = {split: {v.signer for v in plan if v.split == split} for split in ("train", "test")}
    assert not signers["train"] & signers["test"]
    assert len({video.video_id for video in plan}) == len(plan)


def test_other_seeds_are_other_signers():
    seeds = [
        {video.signer_seed for video in plan_corpus(SyntheticCorpus(seed=seed))} for seed in (0, 1)
    ]
    assert not seeds[0] & seeds[1]


def test_takes_of_a_sentence_differ():
    first, second = plan_corpus(SyntheticCorpus(num_sentences=1, takes=2))[:2]
    assert first.sentence == second.sentence
    lengths = [len(render_video(video)[0]) for video in (first, second)]
    frames = [render_video(video)[0][5].astype(int) for video in (first, second)]
    assert lengths[0] != lengths[1] or np.abs(frames[0] - frames[1]).mean() > 1


def test_the_index_lists_every_video(written):
    folder, plan = written
    with (folder / "index.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == INDEX_COLUMNS
    videos = read_index(folder / "index.csv")
    assert [video.video_id for video in videos] == [planned.video_id for planned in plan]
    assert all(video.path.is_file() for video in videos)
    assert {video.split for video in videos} == {"train", "test"}
    assert len({video.text for video in videos}) == 2


def test_a_video_holds_its_frames(written):
    folder, plan = written
    frames, truth = render_video(plan[0])
    with av.open(str(folder / "videos" / f"{plan[0].video_id}.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 12.5
        decoded = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(stream)])
    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).mean() < 8
    np.testing.assert_array_equal(np.load(folder / "truth" / f"{plan[0].video_id}.npy"), truth)
    assert truth.shape == (len(frames), 133, 3)


def test_only_what_is_missing_is_written(written, monkeypatch):
    folder, plan = written
    kept, lost = (folder / "videos" / f"{plan[number].video_id}.mp4" for number in (0, 1))
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    rendered = []
    monkeypatch.setattr(
        corpus_module, "render_video", lambda video: rendered.append(video) or render_video(video)
    )
    write_corpus(folder, SMALL)
    assert rendered == [plan[1]]
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content
    assert not list(folder.rglob("*.part"))


def test_another_corpus_needs_another_folder(written):
    folder, _ = written
    with pytest.raises(UsageError, match="other settings"):
        write_corpus(folder, SMALL.model_copy(update={"seed": 1}))


def test_settings_are_frozen_documented_and_checked():
    with pytest.raises(ValidationError):
        SyntheticCorpus(sentences=3)
    with pytest.raises(ValidationError, match="multiple of 2"):
        SyntheticCorpus(side=257)
    assert all(field.description for field in SyntheticCorpus.model_fields.values())


FRAMES = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), dtype=np.uint8)


def test_a_player_finds_size_rate_and_all_frames(tmp_path):
    write_video(tmp_path / "clip.mp4", FRAMES, 12.5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, float(stream.average_rate)) == (48, 32, 12.5)
        assert sum(1 for _ in container.decode(stream)) == len(FRAMES)


def test_the_same_frames_are_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, FRAMES, 12.5)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_failure_leaves_no_video(tmp_path):
    with pytest.raises(av.error.FFmpegError):
        write_video(tmp_path / "odd.mp4", FRAMES[:, :31, :47], 12.5)
    assert not (tmp_path / "odd.mp4").exists()
