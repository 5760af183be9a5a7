"""Runs on mixed features, and on clips of frames with hands: from stores to a loaded model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from run_comparison import assert_same_run
from small_stores import (
    HANDS_RGB,
    LENGTHS,
    RGB,
    WHOLE_POSE,
    hands_rgb_video,
    rgb_video,
    whole_pose_video,
    write_store,
)
from small_training import change_settings, small_request

from train.checkpoints.run_folder import ChangedRunError, RunFolder
from train.data.rgb_stores import rgb_choice
from train.data.stage_stores import StageStoresError
from train.evaluation.load_model import OtherStoresError, load_run_model
from train.training.run import train


def other_features(folder):
    """A second store of the same clips, by another network."""
    videos = [rgb_video(video_id, length) for video_id, length in LENGTHS.items()]
    for video in videos:
        video.rows["features"] = -2 * video.rows["features"][:, ::-1]
    other = replace(RGB, weights=replace(RGB.weights, sha256="1" * 64))
    return write_store(folder / "other.zarr", other, videos)


def load(run_dir, **changes):
    return load_run_model(RunFolder(run_dir).last, torch.device("cpu"), **changes)


def test_all_of_one_store_trains_as_without_a_mix(whole_run):
    assert train(**small_request(whole_run, "one", mix=(1.0,))) == 0
    assert_same_run(whole_run / "runs" / "one", whole_run / "runs" / "whole")


def test_a_mix_is_trained_on_resumed_and_evaluated(small_folder):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    stores = (small_folder / "rgb.zarr", other_features(small_folder))
    assert train(**small_request(small_folder, "mixed", rgb=stores, mix=(0.75, 0.25))) == 0
    run_dir = small_folder / "runs" / "mixed"

    data = load(run_dir).data
    video = data.reader.locate("c")
    plain = data.reader.rgb.parts[0].read(video, "features")
    expected = 0.75 * plain + 0.25 * (-2 * plain[:, ::-1])
    np.testing.assert_allclose(data.reader.read(video).rgb, expected, atol=1e-4, rtol=1e-5)

    with pytest.raises(ChangedRunError, match=r"rgb_1\.mix: 0\.75 there, 0\.5 now"):
        train(**small_request(small_folder, "mixed", rgb=stores, mix=(0.5, 0.5), resume=True))
    with pytest.raises(OtherStoresError, match=r"mix: 0\.5 / 0\.75"):
        load(run_dir, rgb=rgb_choice(stores, (0.5, 0.5)))
    with pytest.raises(OtherStoresError, match=r"kind rgb_1 and rgb_2 and pose"):
        load(run_dir, rgb=stores[0])
    assert (
        train(**small_request(small_folder, "mixed", rgb=stores, mix=(0.75, 0.25), resume=True))
        == 0
    )


def test_a_mix_in_the_pipeline_is_taken(small_folder):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    stores = (small_folder / "rgb.zarr", other_features(small_folder))
    listed = ", ".join(f"{{store: {s}, mix: 0.5}}" for s in stores)
    change_settings(small_folder, "data: {workers: 0}", f"data: {{workers: 0, rgb: [{listed}]}}")
    assert train(**small_request(small_folder, "listed", rgb=())) == 0
    assert train(**small_request(small_folder, "asked", rgb=stores, mix=(0.5, 0.5))) == 0
    assert_same_run(small_folder / "runs" / "listed", small_folder / "runs" / "asked")


def test_clips_of_frames_with_hands_are_trained_on(small_folder):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    resting = [frame for frame in range(95) if frame % 7 == 0]
    features = [hands_rgb_video(v, n, resting) for v, n in LENGTHS.items()]
    poses = [
        whole_pose_video(v, n, [frame for frame in resting if frame < n])
        for v, n in LENGTHS.items()
    ]
    rgb = write_store(small_folder / "hands.zarr", HANDS_RGB, features)
    pose = write_store(small_folder / "whole.zarr", WHOLE_POSE, poses)
    with pytest.raises(StageStoresError, match=r"keypoints\.frames is 'all'"):
        train(**small_request(small_folder, "all", rgb=(rgb,), pose=pose))
    change_settings(small_folder, "{max_clips: 6}", "{max_clips: 6, frames: hands}")
    for stage in ("fusion", "pose", "rgb"):
        assert train(**small_request(small_folder, stage, stage=stage, rgb=(rgb,), pose=pose)) == 0
    reader = load(small_folder / "runs" / "fusion").data.reader
    example = reader.read(reader.locate("c"))
    assert example.num_clips == len(example.rgb) == 6
    assert example.pose.frames.has_hand.all()
