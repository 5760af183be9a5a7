"""Imports that go through, that fail in part, that are repeated, stopped and killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from finished_videos import finished
from hostile_pickles import Calls
from published_folders import (
    export_store,
    import_folder,
    same_rows,
    write_features,
    write_keypoints,
    write_pickle,
)
from shared_data import REPOSITORY, shared_path

from extract.inspection.status import look_at
from extract.interchange.import_command import (
    MAX_AHEAD,
    READERS,
    ImportReport,
    ReadVideo,
    has_changed,
    open_format,
    read_ahead,
)
from extract.interchange.imported import ImportedVideo, ImportItem, content_hash, quick_identity
from extract.run.existing_store import compare
from extract.settings import ExtractSettings
from reference.small_stores import POSE, pose_video, write_store
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoEntry
from seds_core.store.records import FailedVideo


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "published"
    for number in range(4):
        write_keypoints(folder, f"video{number}", 5 + number)
    return folder


@pytest.fixture
def run(source, tmp_path, capsys):
    """Imports the keypoints; gives the exit code and the last event."""

    def run(form="published-keypoints", **options):
        code = import_folder(form, source, tmp_path / "pose.zarr", as_json=True, **options)
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_all_videos_are_imported_with_what_is_known_of_them(run, source, tmp_path):
    code, summary = run()
    assert code == 0
    assert (summary["finished"], summary["frames"], summary["failed"]) == (4, 26, [])
    store = StoreReader(tmp_path / "pose.zarr")
    assert list(store.videos) == [f"video{number}" for number in range(4)]
    entry, path = store.videos["video1"], source / "video1.pkl"
    assert entry.path == str(path)
    assert (entry.size_bytes, entry.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert (entry.num_frames, entry.num_rows, entry.duration) == (6, 6, 6 / 25)
    assert (entry.width, entry.height) == (256, 256)


def test_it_is_seen_from_outside_while_it_runs(run, tmp_path, monkeypatch):
    monkeypatch.setattr("seds_core.store.liveness.HEARTBEAT_SECONDS", 0.05)
    states = []

    def look_once(report, video, imported=ImportReport.imported):
        imported(report, video)
        deadline = time.monotonic() + 30
        while not states:
            [seen] = look_at(tmp_path / "pose.zarr").writers
            if seen.state.num_finished:
                states.append(seen.state)
            assert time.monotonic() < deadline

    monkeypatch.setattr(ImportReport, "imported", look_once)
    run()
    assert [(state.num_wanted, state.num_finished, state.pid) for state in states] == [
        (4, 1, os.getpid())
    ]


def test_a_repeated_import_reads_only_what_has_changed(run, source, tmp_path):
    run()
    os.utime(source / "video0.pkl", ns=(1, 1))
    write_keypoints(source, "video1", 9)
    write_keypoints(source, "video4", 3)
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 2, 3)
    assert StoreReader(tmp_path / "pose.zarr").videos["video1"].num_rows == 9
    assert run()[1]["already_there"] == 5


def test_failures_cost_only_themselves_and_are_tried_again(run, source, tmp_path):
    hostile = write_pickle(source, "hostile", Calls(os.system, "touch trace"))
    (source / "cut.pkl").write_bytes((source / "video0.pkl").read_bytes()[:1000])
    code, summary = run()
    assert (code, summary["finished"]) == (3, 4)
    failures = StoreReader(tmp_path / "pose.zarr").failures
    assert "posix.system" in failures["hostile"].reason
    assert "no whole pickle" in failures["cut"].reason
    assert failures["hostile"].path == str(hostile)
    assert {failure["video_id"] for failure in summary["failed"]} == {"cut", "hostile"}
    for name in ("hostile", "cut"):
        write_keypoints(source, name, 2)
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 2, 4)
    assert StoreReader(tmp_path / "pose.zarr").failures == {}


def test_rounded_values_are_reported(run, source):
    value = {"keypoints": np.full((1, 133, 3), 50.1), "img_list": ["images0001.png"]}
    write_pickle(source, "precise", value)
    assert run()[1]["rounded_values"] == 399


def test_videos_with_several_people_are_counted(tmp_path, capsys):
    def person(x, confidence):
        return {"pose_keypoints_2d": [x, 50.0, confidence, x + 9, 90.0, confidence] + [0.0] * 69}

    for video_id, people in (("one", [person(10.0, 0.5)]), ("two", [person(10.0, 0.5)] * 2)):
        frame = tmp_path / "json" / video_id / "f_0_keypoints.json"
        frame.parent.mkdir(parents=True)
        frame.write_text(json.dumps({"people": people}))
    for as_json in (True, False):
        store = tmp_path / f"{as_json}.zarr"
        import_folder("openpose", tmp_path / "json", store, image_size=(256, 256), as_json=as_json)
    lines = capsys.readouterr().out.splitlines()
    assert next(json.loads(line) for line in lines if "summary" in line)["several_people"] == 1
    assert any("with several people" in line and " 1 " in line for line in lines)


def test_the_summary_for_people(source, tmp_path, capsys):
    (source / "empty.pkl").write_bytes(b"")
    assert import_folder("published-keypoints", source, tmp_path / "pose.zarr") == 3
    output = capsys.readouterr()
    assert "videos imported" in output.out
    assert "empty.pkl" in output.err


def test_a_dry_run_writes_nothing(run, source, tmp_path):
    code, plan = run(dry_run=True)
    assert (code, plan["missing"], plan["changed"], plan["already_there"]) == (0, 4, 0, 0)
    assert plan["bytes"] == sum(path.stat().st_size for path in source.iterdir())
    assert not (tmp_path / "pose.zarr").exists()
    run()
    write_keypoints(source, "video1", 9)
    _, plan = run(dry_run=True)
    assert (plan["missing"], plan["changed"], plan["already_there"]) == (0, 1, 3)


def test_another_size_does_not_go_into_the_same_store(run):
    run()
    with pytest.raises(StoreMismatchError, match="image_size"):
        run(image_size=(210, 260))


def test_an_empty_folder_makes_no_store(run, source, tmp_path):
    for path in source.iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=r"no \.pkl files"):
        run()
    assert not (tmp_path / "pose.zarr").exists()


def test_features_of_imported_keypoints_get_their_frames(tmp_path, capsys):
    from reference.small_stores import signer

    keypoints = signer(400, np.random.default_rng(0))
    keypoints[10:20, :, 2] = 0  # of which every second one is looked at
    names = [f"{number:06d}.jpg" for number in range(400)]
    write_pickle(tmp_path / "RTMpose", "a", {"keypoints": keypoints, "img_list": names})
    write_features(tmp_path / "I3D_features", "test/a", 64, dim=1024)
    pose, rgb = tmp_path / "pose.zarr", tmp_path / "rgb.zarr"
    hands = {"pipeline": "hands", "as_json": True}
    assert import_folder("published-keypoints", tmp_path / "RTMpose", pose, **hands) == 0
    code = import_folder("published-features", tmp_path / "I3D_features", rgb, pose=pose, **hands)
    assert code == 0, capsys.readouterr().out
    rows = StoreReader(rgb).rows("a")
    kept = [number for number in range(0, 400, 2) if not 10 <= number < 20]
    starts = np.linspace(0, len(kept) - 16, 64, dtype=int)
    assert rows["frames"].tolist() == [kept[start : start + 16] for start in starts]
    entry = StoreReader(rgb).videos["a"]
    assert (entry.num_frames, entry.frame_step, entry.width) == (400, 2, 256)


def started(source, store, seconds):
    """An import that spends some time on every video."""
    program = REPOSITORY / "tests" / "published_folders.py"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, program, source, store, str(seconds)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def wait_for_event(process, event, count):
    for line in process.stdout:
        count -= json.loads(line)["event"] == event
        if not count:
            return


def test_a_stopped_import_keeps_what_is_finished(run, source, tmp_path):
    with started(source, tmp_path / "pose.zarr", 2) as process:
        wait_for_event(process, "finished", 2)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=30) == 130
    assert len(StoreReader(tmp_path / "pose.zarr").videos) == 2
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 2, 2)


def test_a_killed_import_leaves_a_whole_store_and_goes_on(run, source, tmp_path):
    run()
    write_keypoints(source, "video5", 5)
    write_keypoints(source, "video6", 6)
    with started(source, tmp_path / "pose.zarr", 0.5) as process:
        wait_for_event(process, "finished", 1)
        process.kill()
        process.wait(timeout=30)
    assert len(StoreReader(tmp_path / "pose.zarr").videos) == 4
    time.sleep(0.1)
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 2, 4)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "every"), [("karsl70", 1), ("asl78", 4)])
def test_real_keypoints_come_back_to_the_bit(name, every, tmp_path, capsys):
    folder = shared_path(f"realsigns/{name}")
    source, first, second = tmp_path / "in", tmp_path / "1.zarr", tmp_path / "2.zarr"
    source.mkdir()
    paths = sorted((folder / "keypoints").glob("*.pkl"))[::every]
    for path in paths:
        (source / path.name).symlink_to(path)
    options = {"pipeline": "custom", "index": folder / "index.csv", "as_json": True}
    assert import_folder("published-keypoints", source, first, **options) == 0
    assert export_store(first, tmp_path / "out", as_json=True) == 0
    assert import_folder("published-keypoints", tmp_path / "out", second, **options) == 0
    capsys.readouterr()
    assert same_rows(first, second)
    entries = StoreReader(first).videos
    assert len(entries) == len(paths) > 50
    for path in paths:
        before = pickle.loads(path.read_bytes())
        after = pickle.loads((tmp_path / "out" / path.name).read_bytes())
        assert after["img_list"] == before["img_list"]
        assert after["keypoints"].dtype == before["keypoints"].dtype
        assert after["keypoints"].tobytes() == before["keypoints"].tobytes()
    sizes = {(entry.width, entry.height) for entry in entries.values()}
    assert sizes == {(256, 256)} if name == "karsl70" else len(sizes) > 5


@pytest.mark.shared
def test_every_video_has_its_own_size_and_frame_rate(tmp_path, capsys):
    from extract.videos.frame_source import open_frames

    folder = shared_path("realsigns/asl78")
    names = ("apple-01", "happy-05", "no-12", "what-10")
    for name in names:
        content = (folder / f"keypoints/{name}.pkl").read_bytes()
        (tmp_path / f"{name}.pkl").write_bytes(content)
    options = {"pipeline": "custom", "index": folder / "index.csv", "as_json": True}
    store = tmp_path / "pose.zarr"
    assert import_folder("published-keypoints", tmp_path, store, **options) == 0
    capsys.readouterr()
    for name in names:
        entry = StoreReader(store).videos[name]
        properties = open_frames(folder / f"videos/{name}.mp4", 25.0).properties
        assert (entry.width, entry.height) == (properties.width, properties.height)
        assert (entry.fps, entry.num_frames) == (properties.fps, properties.num_frames)


@pytest.fixture
def item(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"abc")
    return ImportItem("a", path)


def entry_of(item):
    size_bytes, mtime_ns = quick_identity(item.path)
    values = vars(finished(item.video_id).source) | {
        "size_bytes": size_bytes,
        "mtime_ns": mtime_ns,
        "content_hash": content_hash(item.path),
    }
    return VideoEntry(**values, first_row=0, num_rows=1, rows_checksum=0)


def test_missing_changed_and_there(item, tmp_path):
    other = ImportItem("b", tmp_path / "b.pkl")
    gone = ImportItem("c", tmp_path / "c.pkl")
    plan = compare([item, other, gone], {"a": entry_of(item), "c": entry_of(item)}, has_changed)
    assert plan.missing == (other,)
    assert plan.changed == (gone,)
    assert plan.todo == (other, gone)
    assert plan.num_there == 1


def test_a_touched_file_is_the_same_and_one_of_equal_size_may_not_be(item):
    entry = entry_of(item)
    os.utime(item.path, ns=(1, 1))
    assert not has_changed(item, entry)
    item.path.write_bytes(b"abd")
    assert has_changed(item, entry)
    item.path.write_bytes(b"abcd")
    assert has_changed(item, entry)


def test_an_id_is_known_however_it_is_spelled(item):
    spelled = ImportItem("u\u0308", item.path)
    assert compare([spelled], {"\u00fc": entry_of(item)}, has_changed).num_there == 1


class Files:
    """Files that take the longer the earlier they come; some cannot be read."""

    def __init__(self, folder, *, count=12, problems=()):
        self.problems = dict(problems)
        self.begun = []
        self.together = self.most_together = 0
        self._lock = threading.Lock()
        self.items = [ImportItem(f"{number:02}", folder / f"{number}") for number in range(count)]
        for item in self.items:
            item.path.write_text(item.video_id)

    def read(self, item):
        with self._lock:
            self.begun.append(item.video_id)
            self.together += 1
            self.most_together = max(self.together, self.most_together)
        time.sleep(0.02 / (1 + int(item.video_id)))
        with self._lock:
            self.together -= 1
        if item.video_id in self.problems:
            raise self.problems[item.video_id]
        return ImportedVideo({}, 7, 1, 25.0, 0, 0, content_hash=item.video_id, num_rounded=3)


def ids(videos):
    return [
        v.video_id if isinstance(v, FailedVideo) else v.finished.source.video_id for v in videos
    ]


def test_order_is_kept_and_failures_are_in_it(tmp_path):
    problems = {
        "03": ImportedFileError(tmp_path / "3", "is empty"),
        "05": OSError("no such disk"),
    }
    files = Files(tmp_path, problems=problems)
    videos = list(read_ahead(files.items, files.read))
    assert ids(videos) == [item.video_id for item in files.items]
    failed = {v.video_id: (v.path, v.reason) for v in videos if isinstance(v, FailedVideo)}
    assert failed == {
        "03": (str(tmp_path / "3"), "is empty"),
        "05": (str(tmp_path / "5"), "cannot be read: no such disk"),
    }
    (first, *_) = videos
    assert isinstance(first, ReadVideo)
    assert (first.num_rounded, first.finished.source.content_hash) == (3, "00")
    assert (first.finished.source.size_bytes, first.finished.source.duration) == (2, 7 / 25)
    assert files.most_together == READERS


def test_no_more_is_read_than_may_wait(tmp_path):
    files = Files(tmp_path, count=40)
    with closing(read_ahead(files.items, files.read)) as videos:
        assert ids(islice(videos, 2)) == ["00", "01"]
        time.sleep(0.2)
        assert sorted(files.begun) == [f"{number:02}" for number in range(2 + MAX_AHEAD)]
    assert len(files.begun) == 2 + MAX_AHEAD


def test_closing_awaits_what_is_being_read_and_reads_nothing_else(tmp_path):
    files = Files(tmp_path, count=40)
    with closing(read_ahead(files.items, files.read)) as videos:
        next(videos)
    assert files.together == 0
    assert len(files.begun) <= 1 + MAX_AHEAD
    num_begun = len(files.begun)
    time.sleep(0.05)
    assert len(files.begun) == num_begun


def test_a_fault_of_ours_comes_out_when_it_is_its_turn(tmp_path):
    files = Files(tmp_path, problems={"02": AssertionError("a fault")})
    videos = read_ahead(files.items, files.read)
    assert ids(islice(videos, 2)) == ["00", "01"]
    with pytest.raises(AssertionError, match="a fault"):
        next(videos)


def test_a_missing_file_fails_alone(tmp_path):
    files = Files(tmp_path, count=3)
    Path(tmp_path / "1").unlink()
    videos = list(read_ahead(files.items, files.read))
    assert [isinstance(video, FailedVideo) for video in videos] == [False, True, False]


SETTINGS = ExtractSettings.model_validate(
    {"frames": {"folder_fps": 30.0}, "imports": {"image_size": (210, 260)}}
)


def make(form, every_format, settings=SETTINGS, **options):
    return open_format(form, every_format, settings, **options)


@pytest.fixture
def every_format(tmp_path):
    """Folders with a file of every format in them, each of the video a."""
    folder = tmp_path / "source"
    write_keypoints(folder / "keypoints", "a", 3)
    write_features(folder / "features", "a", 15)
    np.save(folder / "a.npy", np.ones((1, 8), np.float32))
    (folder / "coco").mkdir()
    (folder / "coco" / "a.json").write_text("[]")
    return folder


def test_every_format_can_be_made(every_format, tmp_path):
    frame_map = tmp_path / "frames.csv"
    frame_map.write_text("video_id,clip,num_frames,first_frame,frame_step\na,0,20,0,1\n")
    (every_format / "a.pose").touch()
    opened = {
        "published-keypoints": make("published-keypoints", every_format / "keypoints"),
        "published-features": make("published-features", every_format / "features"),
        "npy": make("npy", every_format, frame_map=frame_map),
        "pose": make("pose", every_format),
        "openpose": make("openpose", every_format),
        "coco-wholebody": make("coco-wholebody", every_format / "coco"),
    }
    for name, files in opened.items():
        assert files.provenance.imported_from.format == name
        assert files.provenance.kind == ("rgb" if name in ("npy", "published-features") else "pose")


def test_an_option_comes_before_the_pipeline(every_format):
    def facts_of(settings=SETTINGS, **options):
        files = make("published-keypoints", every_format / "keypoints", settings, **options)
        video = files.read(*files.items)
        return video.width, video.height, video.fps, files.provenance.timeline.folder_fps

    assert facts_of() == (210, 260, 30.0, 30.0)
    assert facts_of(image_size=(264, 248), fps=24.0) == (264, 248, 24.0, 24.0)
    slow = ExtractSettings.model_validate({"imports": {"image_size": (280, 280), "fps": 12.0}})
    assert facts_of(slow) == (280, 280, 12.0, 12.0)


def test_an_index_gives_names(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("video_id,path,alias\na,a.mp4,published name\n")
    write_keypoints(tmp_path, "published name", 3)
    (item,) = make("published-keypoints", tmp_path, index=index).items
    assert item.video_id == "a"


def test_a_pose_store_plans_the_clips(every_format, tmp_path):
    pose = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30)])
    settings = ExtractSettings.model_validate({"rgb": {"frames": "hands"}})
    form = make("published-features", every_format / "features", settings, pose=pose)
    assert form.read(*form.items).rows["frames"].shape == (15, 16)


def test_options_that_decide_nothing_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--pose is for published-features, not for npy"):
        make("npy", tmp_path, pose=tmp_path)
    with pytest.raises(UsageError, match="--frame-map is for npy, not for pose"):
        make("pose", tmp_path, frame_map=tmp_path)


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="none does not exist"):
        make("pose", tmp_path / "none")
