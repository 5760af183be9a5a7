"""Extractions from end to end, with a stream that needs no network."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from finished_videos import RGB, finished
from mean_stream import MeanStream

from extract.run import command, loop
from extract.run.loop import decode_job
from extract.settings import FrameSettings, PoseSettings
from extract.stream import UnusableRowsError, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo
from extract.videos.part import FrameCountChanged, VideoError
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.staging import Staging
from seds_core.store.writer import RecordWriter, StoreWriter


def test_every_video_is_extracted_once_and_in_order(run, corpus, tmp_path):
    code, summary = run()
    assert code == 0
    assert (summary["finished"], summary["already_there"], summary["failed"]) == (6, 0, [])
    store = StoreReader(tmp_path / "rgb.zarr")
    assert list(store.videos) == corpus.ids
    entry = store.videos["video5"]
    assert (entry.num_frames, entry.frame_step, entry.width, entry.height) == (45, 2, 64, 48)
    assert entry.size_bytes == corpus.path("video5").stat().st_size
    assert store.rows("video5")["first_frame"].tolist() == list(range(0, 45, 2))
    assert run.loaded == 1
    code, summary = run()
    assert code == 0
    assert (summary["finished"], summary["already_there"]) == (0, 6)
    assert run.loaded == 0  # what is there, and how it was made, is known without the network


def test_rows_are_those_of_each_video_alone(run, corpus, tmp_path):
    """Reading, computing and writing at the same time, in passes across videos."""
    run()
    store = StoreReader(tmp_path / "rgb.zarr")
    stream = MeanStream()
    with DecodePool(num_workers=0) as pool:
        for video_id in corpus.ids:
            listed = ListedVideo(video_id, corpus.path(video_id))
            job = decode_job(listed, stream, FrameSettings(max_frames=30))
            alone = rows_of(stream, pool.decode(job))
            for name, values in store.rows(video_id).items():
                np.testing.assert_array_equal(values, alone[name])


@pytest.mark.parametrize(
    "promised",
    [47, 61],  # of 45 frames; the second promise makes it another timeline
)
def test_a_container_that_lies_costs_a_second_reading(run, tmp_path, monkeypatch, promised):
    run(store=tmp_path / "honest.zarr")
    monkeypatch.setattr(
        loop, "decode_job", lambda *asked: replace(decode_job(*asked), num_frames=promised)
    )
    code, summary = run(store=tmp_path / "lying.zarr")
    assert (code, summary["finished"]) == (0, 6)
    honest, lying = (StoreReader(tmp_path / name) for name in ("honest.zarr", "lying.zarr"))
    assert list(lying.videos) == list(honest.videos)
    for video_id, entry in honest.videos.items():
        assert lying.videos[video_id].num_frames == entry.num_frames
        for name, values in honest.rows(video_id).items():
            np.testing.assert_array_equal(lying.rows(video_id)[name], values)


def test_a_profile_tells_where_the_time_went(run):
    slow = MeanStream(seconds=0.05)
    run(stream=slow, profile=True)
    assert [event["event"] for event in run.events[-2:]] == ["profile", "summary"]
    profile = run.events[-2]
    assert profile["prepare"] >= 6 * 0.05
    assert 0 < profile["model"] < profile["wall"]
    assert profile["model"] + profile["model_waited_for_frames"] <= profile["wall"]
    assert profile["decode_cpu"] > 0
    assert profile["write"] > 0


def test_a_broken_video_costs_only_itself_and_is_tried_again(run, corpus, tmp_path):
    good = corpus.path("video2").read_bytes()
    corpus.path("video2").write_bytes(b"")
    code, summary = run()
    assert code == 3
    assert summary["finished"] == 5
    [failure] = summary["failed"]
    assert failure["path"] == str(corpus.path("video2"))
    assert "empty" in failure["reason"]
    assert StoreReader(tmp_path / "rgb.zarr").failures["video2"].reason == failure["reason"]
    assert run()[0] == 3
    corpus.path("video2").write_bytes(good)
    code, summary = run()
    assert code == 0
    assert (summary["finished"], summary["already_there"]) == (1, 5)
    assert StoreReader(tmp_path / "rgb.zarr").failures == {}


def test_a_video_put_back_has_failed_no_longer(run, corpus, tmp_path):
    run()
    good = corpus.path("video2").read_bytes()
    corpus.path("video2").write_bytes(b"")
    assert run()[0] == 3
    assert list(StoreReader(tmp_path / "rgb.zarr").failures) == ["video2"]
    corpus.path("video2").write_bytes(good)
    code, summary = run()
    assert (code, summary["already_there"]) == (0, 6)
    assert StoreReader(tmp_path / "rgb.zarr").failures == {}


def test_a_changed_video_is_done_again_and_a_touched_one_is_not(run, corpus, tmp_path):
    run()
    os.utime(corpus.path("video0"))
    shutil.copy(corpus.path("video4"), corpus.path("video1"))
    _, summary = run()
    assert (summary["finished"], summary["already_there"]) == (1, 5)
    store = StoreReader(tmp_path / "rgb.zarr")
    np.testing.assert_array_equal(
        store.rows("video1")["features"], store.rows("video4")["features"]
    )


def held_until(num_claims, folder, monkeypatch):
    """Has another process hold a video until this one has tried to claim so many."""
    other = Staging(folder / "rgb.zarr")
    assert other.claim("video3")
    claim, left = StoreWriter.claim, [num_claims]

    def counted(writer):
        left[0] -= 1
        if left[0] == 0:
            other.close()
        return claim(writer)

    monkeypatch.setattr(StoreWriter, "claim", counted)


def test_the_video_of_a_process_that_leaves_meanwhile_is_taken_over(
    run, corpus, tmp_path, monkeypatch
):
    """Another process holds a video until everything else is done, and is gone then."""
    held_until(len(corpus.ids), tmp_path, monkeypatch)
    code, summary = run()
    assert code == 0
    assert (summary["finished"], summary["in_other_hands"]) == (6, 0)


def test_an_error_of_the_program_is_no_failure_of_the_video(run, tmp_path):
    code, summary = run(stream=MeanStream(break_on="video3"))
    assert code == 1
    assert (summary["finished"], summary["failed"], summary["broken"]) == (5, [], ["video3"])
    assert {"event": "broken", "reason": "RuntimeError: the network broke"}.items() <= next(
        event for event in run.events if event["event"] == "broken"
    ).items()
    assert StoreReader(tmp_path / "rgb.zarr").failures == {}
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 1, 5)


def test_a_network_that_always_breaks_ends_the_run(run, tmp_path):
    with pytest.raises(RuntimeError, match="the network broke"):
        run(stream=MeanStream(break_on="*"))
    assert StoreReader(tmp_path / "rgb.zarr").failures == {}


def test_a_video_for_which_there_is_no_memory_fails_by_name(run, monkeypatch):
    """Three in a row, at that: it is no error of the program's."""

    def rows(self, pieces):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(MeanStream, "rows", rows)
    code, summary = run()
    assert code == 3
    assert [failure["video_id"] for failure in summary["failed"]] == [
        f"video{number}" for number in range(6)
    ]
    assert "no memory" in summary["failed"][0]["reason"]
    assert "--device" in summary["failed"][0]["reason"]


def test_what_the_network_makes_nothing_of_is_the_videos_failure(run, monkeypatch):
    def rows(self, pieces):
        raise UnusableRowsError("the features are not finite")

    monkeypatch.setattr(MeanStream, "rows", rows)
    code, summary = run()
    assert (code, len(summary["failed"])) == (3, 6)
    assert summary["failed"][0]["reason"] == "the features are not finite"


def test_a_video_of_another_length_at_each_reading_fails(run, monkeypatch):
    lengths = iter(range(100, 200))

    def pieces(self, video):
        yield from ()
        raise FrameCountChanged(next(lengths))

    monkeypatch.setattr(MeanStream, "pieces", pieces)
    code, summary = run()
    assert (code, len(summary["failed"]), summary["broken"]) == (3, 6, [])
    assert "100" in summary["failed"][0]["reason"]
    assert "101" in summary["failed"][0]["reason"]


def test_other_settings_are_refused(run):
    run()
    other = MeanStream(provenance=replace(RGB, feature_dtype="float16"))
    with pytest.raises(UsageError, match="feature_dtype: float32 / float16"):
        run(stream=other)


def test_other_settings_are_refused_before_the_network_is_loaded(run, tmp_path):
    run()
    other = MeanStream(provenance=replace(RGB, feature_dtype="float16"))
    for dry_run in (False, True):
        with pytest.raises(UsageError, match="feature_dtype: float32 / float16"):
            run(dry_run=dry_run, stream=other)
        assert run.loaded == 0


def test_a_dry_run_refuses_what_only_the_loaded_network_tells(run, monkeypatch):
    run()
    other = MeanStream(provenance=replace(RGB, feature_dtype="float16"))
    monkeypatch.setattr(command, "has_everything", lambda *_: False)
    with pytest.raises(UsageError, match="feature_dtype: float32 / float16"):
        run(dry_run=True, stream=other)


def made_on(device):
    return MeanStream(provenance=replace(RGB, device=device, decoding=2))


def test_rows_of_another_device_are_refused_unless_asked_for(run, corpus, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text(f"video_id,path\na,{corpus.path('video0')}\n")
    assert run(stream=made_on("cpu"), index=few)[0] == 0
    assert run(stream=made_on("cuda"), index=few)[0] == 0  # nothing is added
    few.write_text(f"{few.read_text()}b,{corpus.path('video1')}\n")
    for dry_run in (False, True):
        with pytest.raises(UsageError, match=r"of kind 'cpu'.*'cuda'.*last bits.*--mix-devices"):
            run(dry_run=dry_run, stream=made_on("cuda"), index=few)
    assert run(stream=made_on("cuda"), index=few, mix_devices=True)[0] == 0
    assert StoreReader(tmp_path / "rgb.zarr").provenance.device == "any"
    few.write_text(f"{few.read_text()}c,{corpus.path('video2')}\n")
    assert run(stream=made_on("cpu"), index=few)[0] == 0  # it has been asked for once


def test_a_store_that_records_less_goes_on_with_one_line(run, corpus, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text(f"video_id,path\na,{corpus.path('video0')}\n")
    assert run(index=few)[0] == 0
    few.write_text(f"{few.read_text()}b,{corpus.path('video1')}\n")
    assert run(stream=made_on("cpu"), index=few)[0] == 0
    assert "does not record decoding, device" in run.told.err
    assert StoreReader(tmp_path / "rgb.zarr").provenance.device == ""


def test_videos_that_others_hold_have_an_exit_code_of_their_own(run, tmp_path):
    with Staging(tmp_path / "rgb.zarr") as other:
        other.claim("video3")
        code, summary = run()
    assert code == 4
    assert (summary["finished"], summary["in_other_hands"]) == (5, 1)


def test_waiting_takes_over_what_another_process_leaves(run, tmp_path, monkeypatch):
    """It holds a video until there has been nothing else to do for a while."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_LOOKS", 0.01)
    held_until(20, tmp_path, monkeypatch)
    code, summary = run(wait=True)
    assert code == 0
    assert (summary["finished"], summary["in_other_hands"]) == (6, 0)


def test_a_dry_run_counts_what_waits_for_the_store(run, tmp_path):
    """Unless it was made otherwise, or is torn: the run would drop it."""
    other = replace(RGB, weights=replace(RGB.weights, sha256="other"))
    RecordWriter(tmp_path / "rgb.zarr", RGB).finish(finished("video3"))
    RecordWriter(tmp_path / "rgb.zarr", other).finish(finished("video4"))
    (tmp_path / "rgb.zarr.staging" / "finished" / "000000007-torn.npz").write_bytes(b"")
    code, summary = run(dry_run=True)
    assert code == 0
    assert (summary["missing"], summary["already_there"]) == (5, 1)
    assert summary["frames"] == 20 + 25 + 30 + 40 + 45


def test_a_failure_in_another_process_counts(run, corpus, monkeypatch):
    """It fails at a video while this one is on its way to it."""
    failure = FailedVideo.now("video3", str(corpus.path("video3")), "its decoder crashed")
    claim = StoreWriter.claim

    def claim_after_the_other(writer):
        writer.records().fail(failure)
        return claim(writer)

    monkeypatch.setattr(StoreWriter, "claim", claim_after_the_other)
    code, summary = run()
    assert code == 3
    assert (summary["finished"], [f["reason"] for f in summary["failed"]]) == (5, [failure.reason])


def test_a_dry_run_counts_and_writes_nothing(run, corpus, tmp_path):
    corpus.path("video2").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    code, summary = run(dry_run=True)
    assert code == 0
    assert (summary["missing"], summary["unreadable"]) == (6, 1)
    assert summary["frames"] == 20 + 25 + 35 + 40 + 45
    assert summary["rows"] == 20 + 25 + 18 + 20 + 23
    assert summary["bytes"] == summary["rows"] * (8 * 4 + 4 + 4)
    assert sorted(tmp_path.rglob("*")) == sorted({*before, tmp_path / "tiny.yaml"})


def test_videos_must_be_named_one_way(run):
    with pytest.raises(UsageError, match="either with --videos or with --index"):
        run(videos=("somewhere",))


def test_a_dry_run_counts_videos_that_would_fail(run, corpus):
    class Lacking(MeanStream):
        def num_rows(self, video):
            if video.job.video_id == "video2":
                raise VideoError(video.job.path, "which frames show a hand is not known")
            return super().num_rows(video)

    _, whole = run(dry_run=True)
    _, summary = run(dry_run=True, stream=Lacking())
    assert (whole["unreadable"], summary["unreadable"]) == (0, 1)
    assert whole["rows"] - summary["rows"] == 30  # of its 30 frames, all on the timeline


def test_the_demo_keypoint_model_is_for_drawn_signers(tmp_path, capsys):
    """Real people get a warning, the corpus of demo-videos none."""
    (tmp_path / "videos").mkdir()
    videos = (ListedVideo("a", tmp_path / "videos" / "a.mp4"),)
    demo, other = PoseSettings(model="demo"), PoseSettings(model="rtmpose-m")
    command._warn_of_demo_model("pose", demo, videos)
    assert "--detector mediapipe" in capsys.readouterr().err
    command._warn_of_demo_model("pose", other, videos)
    command._warn_of_demo_model("rgb", demo, videos)
    (tmp_path / "corpus.json").write_text("{}")
    command._warn_of_demo_model("pose", demo, videos)
    assert capsys.readouterr().err == ""
