"""A run's folder, what makes two starts the same run, and what is recorded of a start."""

import copy
import hashlib
import json
import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from seds_core.dataset_index import IndexedVideo
from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import RunCheckpoint
from train.checkpoints.run_folder import (
    TRAINING_VIDEOS,
    ChangedRunError,
    RunFolder,
    RunFolderError,
    RunIdentity,
    TrainingVideos,
    environment,
    git_state,
)
from train.settings import TrainSettings

RUN = RunIdentity(
    stage="fusion",
    seed=1,
    settings=TrainSettings(),
    layout=ClipLayout(64, 16, 1024),
    provenance={"rgb": {"path": "/a/rgb.zarr", "settings": {"backbone": "i3d"}}},
    training_videos=TrainingVideos((("a", "rain"), ("b", "sun"))),
)
PATH = Path("runs/x/last.pt")


def settings(part, **values):
    return TrainSettings.model_validate({part: values})


def test_the_settings_file_is_a_section_of_a_pipeline(tmp_path):
    folder = RunFolder(tmp_path / "run")
    run = replace(RUN, settings=settings("data", index=Path("index.csv")))
    folder.begin(run, {"command": ["one"]})
    written = yaml.safe_load(folder.settings.read_text())
    assert (written["stage"], written["seed"]) == ("fusion", 1)
    assert TrainSettings.model_validate(written["train"]) == run.settings


def test_every_start_is_recorded(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(RUN, {"command": ["one"]})
    folder.begin(RUN, {"command": ["two"]})
    starts = json.loads(folder.environment.read_text())
    assert [start["command"] for start in starts] == [["one"], ["two"]]
    assert json.loads(folder.provenance.read_text())["layout"]["rgb_dim"] == 1024
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "environment.json",
        "provenance.json",
        "settings.yaml",
        "training_videos.json",
    ]


def test_a_run_begins_once_and_resumes_what_is_there(tmp_path):
    folder = RunFolder(tmp_path)
    folder.check(resume=False)
    with pytest.raises(RunFolderError, match=r"no last\.pt .*--resume"):
        folder.check(resume=True)
    folder.last.write_bytes(b"")
    folder.check(resume=True)
    with pytest.raises(RunFolderError, match=r"exists.*--resume.*--name"):
        folder.check(resume=False)


def test_one_start_at_a_time_has_the_run(tmp_path):
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with first.held(resume=False):
        first.last.write_bytes(b"")
        for resume in (False, True):
            with pytest.raises(RunFolderError), second.held(resume=resume):
                raise AssertionError("two have it")
        with pytest.raises(RunFolderError, match=r"going on.*--name"):
            second.held(resume=True).__enter__()
    with second.held(resume=True):
        assert second.last.exists()


def test_a_start_that_begins_nothing_leaves_nothing(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "run")
    with pytest.raises(ZeroDivisionError), folder.held(resume=False):
        raise ZeroDivisionError
    assert not folder.path.exists()
    with pytest.raises(RunFolderError), folder.held(resume=True):
        raise AssertionError("there is nothing to resume")
    assert not folder.path.exists()


def checkpoint_of(run):
    others = {name: {} for name in ("versions", "position", "model", "optimiser", "scaler")}
    return RunCheckpoint(**run.as_values(), **others, best_score=None, random_states=[])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"settings": settings("data", workers=9, index=Path("elsewhere.csv"))},
        {"provenance": {"rgb": {"path": "/b/rgb.zarr", "settings": {"backbone": "i3d"}}}},
        {
            "settings": settings(
                "data", rgb=[{"store": "a", "mix": 0.5}, {"store": "b", "mix": 0.5}]
            )
        },
    ],
    ids=["nothing", "places and workers", "place of a store", "places of mixed stores"],
)
def test_a_run_may_go_on_elsewhere(change):
    replace(RUN, **change).refuse_changes(checkpoint_of(RUN), PATH)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stage": "pose"}, "stage: fusion there, pose now"),
        ({"seed": 2}, "seed: 1 there, 2 now"),
        ({"settings": settings("losses", pose=0.8)}, "settings.losses.pose: 1.0 there, 0.8 now"),
        (
            {"settings": settings("optimisation", micro_batch=2)},
            "settings.optimisation.micro_batch: None there, 2 now",
        ),
        ({"layout": ClipLayout(32, 16, 1024)}, "layout.num_slots: 64 there, 32 now"),
        ({"training_videos": TrainingVideos(())}, "the training videos"),
        (
            {"provenance": {"rgb": {"settings": {"backbone": "s3d"}}}},
            "provenance.rgb.settings.backbone: i3d there, s3d now",
        ),
    ],
)
def test_a_changed_run_is_refused(change, told):
    with pytest.raises(ChangedRunError) as error:
        replace(RUN, **change).refuse_changes(checkpoint_of(RUN), PATH)
    assert told in str(error.value)
    assert str(PATH) in str(error.value)


def test_a_changed_sentence_is_told_where_the_run_keeps_its_list(tmp_path):
    changed = replace(RUN, training_videos=TrainingVideos((("a", "rain"), ("b", "the sun"))))
    RUN.training_videos.write(tmp_path / TRAINING_VIDEOS)
    with pytest.raises(ChangedRunError, match=r"sentence of b changed \(sun -> the sun\)"):
        changed.refuse_changes(checkpoint_of(RUN), tmp_path / "last.pt")
    TrainingVideos((("z", "of another run"),)).write(tmp_path / TRAINING_VIDEOS)
    with pytest.raises(ChangedRunError, match="which of them cannot be told"):
        changed.refuse_changes(checkpoint_of(RUN), tmp_path / "last.pt")


def test_values_hold_what_a_file_can():
    values = RUN.as_values()
    assert values["settings"]["cgaf"]["neighbours"] == [5, 3]
    assert values["layout"] == {
        "num_slots": 64,
        "clip_length": 16,
        "rgb_dim": 1024,
    }


def mixed(weight, folder):
    stores = (("rgb_1", weight), ("rgb_2", 1 - weight))
    return {name: {"path": f"{folder}/{name}", "mix": share} for name, share in stores}


def test_a_mix_may_move_but_keeps_its_weights():
    run = replace(RUN, provenance=mixed(0.75, "/a"))
    replace(run, provenance=mixed(0.75, "/b")).refuse_changes(checkpoint_of(run), PATH)
    with pytest.raises(ChangedRunError, match=r"provenance\.rgb_2\.mix: 0\.25 there, 0\.5 now"):
        replace(run, provenance=mixed(0.5, "/a")).refuse_changes(checkpoint_of(run), PATH)


def test_settings_that_a_run_began_without_are_as_they_are_now():
    """A run of an older program goes on; a setting that has gone since is a change."""
    saved = checkpoint_of(RUN)
    older = copy.deepcopy(saved.settings)
    del older["arithmetic"]
    del older["evaluation"]["precision"]
    now = replace(RUN, settings=settings("arithmetic", tf32=True))
    now.refuse_changes(replace(saved, settings=older), PATH)
    older["optimisation"]["momentum"] = 0.5
    with pytest.raises(ChangedRunError, match=r"optimisation.momentum: 0.5 there, not set now"):
        now.refuse_changes(replace(saved, settings=older), PATH)


def test_a_store_may_have_recorded_more_since_the_run_began():
    rgb = RUN.provenance["rgb"]
    now = replace(RUN, provenance={"rgb": rgb | {"decoding": 1, "device": ""}})
    now.refuse_changes(checkpoint_of(RUN), PATH)
    then = replace(RUN, provenance={"rgb": rgb | {"decoding": 2}})
    with pytest.raises(ChangedRunError, match=r"rgb.decoding: 2 there, 1 now"):
        now.refuse_changes(checkpoint_of(then), PATH)


def test_evaluation_decides_the_best_epoch():
    now = replace(RUN, settings=settings("evaluation", precision="bfloat16"))
    with pytest.raises(ChangedRunError, match=r"evaluation.precision: float32 there, bfloat16 now"):
        now.refuse_changes(checkpoint_of(RUN), PATH)


BEFORE = TrainingVideos((("a", "I like tee"), ("b", "rain"), ("c", "rain")))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (
            [("a", "I like tea"), ("b", "rain"), ("c", "rain")],
            ["the sentence of a changed (I like tee -> I like tea)"],
        ),
        ([*BEFORE.pairs, ("d", "sun")], ["1 video more (d)"]),
        ([("c", "rain")], ["2 videos fewer (a, b)"]),
        ([*BEFORE.pairs[::-1]], ["the videos are in another order"]),
        (
            [("b", "rain"), ("a", "tea"), ("x", "sun")],
            [
                "the sentence of a changed (I like tee -> tea)",
                "1 video more (x)",
                "1 video fewer (c)",
                "the videos are in another order",
            ],
        ),
        (list(BEFORE.pairs), []),
    ],
    ids=["sentence", "more", "fewer", "order", "all", "none"],
)
def test_changes_have_names(pairs, expected):
    assert TrainingVideos(tuple(pairs)).changes_since(BEFORE) == expected


def test_many_changes_are_counted():
    before = TrainingVideos(tuple((f"v{number}", "old") for number in range(2000)))
    now = TrainingVideos(tuple((video_id, "new") for video_id, _ in before.pairs))
    *shown, rest = now.changes_since(before)
    assert (len(shown), rest) == (3, "1,997 sentences more changed")
    assert TrainingVideos(()).changes_since(before) == [
        "2,000 videos fewer (v0, v1, v2 and 1,997 more)"
    ]


def test_the_list_is_read_back_and_its_digest_is_the_files(tmp_path):
    path = tmp_path / "videos.json"
    BEFORE.write(path)
    assert TrainingVideos.read(path) == BEFORE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == BEFORE.digest
    path.write_bytes(path.read_bytes()[:-3])
    assert TrainingVideos.read(path) is None
    assert TrainingVideos.read(tmp_path / "absent.json") is None


def test_the_digest_knows_sentences_and_their_order_as_earlier_versions_did():
    one, two = (IndexedVideo(v, Path(v), "train", t) for v, t in (("a", "hello"), ("b", "rain")))
    choices = ([one, two], [two, one], [one], [one, replace(two, text="sun")])
    assert len({TrainingVideos.of(videos).digest for videos in choices}) == 4
    moved = TrainingVideos.of([replace(one, split="x"), two])
    assert moved == TrainingVideos.of([one, two])
    text = json.dumps([("a", "hello"), ("b", "rain")])
    assert moved.digest == hashlib.sha256(text.encode()).hexdigest()


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def test_a_checkout_is_described(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["is_changed"] is False
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path) == clean | {"is_changed": True}


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_the_environment_does_not_name_the_machine(tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"abc")
    found = environment(torch.device("cpu"), 2, [weights])
    assert found["weights"] == {str(weights): hashlib.sha256(b"abc").hexdigest()}
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
    assert found["processes"] == 2
    assert not platform.node() or platform.node() not in json.dumps(
        {name: value for name, value in found.items() if name != "weights"}
    )
