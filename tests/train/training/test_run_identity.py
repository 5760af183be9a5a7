import copy
from dataclasses import replace
from pathlib import Path

import pytest

from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import RunCheckpoint
from train.checkpoints.run_folder import (
    TRAINING_VIDEOS,
    ChangedRunError,
    RunIdentity,
    TrainingVideos,
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


def checkpoint_of(run):
    others = {name: {} for name in ("versions", "position", "model", "optimiser", "scaler")}
    return RunCheckpoint(**run.as_values(), **others, best_score=None, random_states=[])


def settings(part, **values):
    return TrainSettings.model_validate({part: values})


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
