"""Runs on mixed features, on frames with hands, and with text encoders of their own."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from run_comparison import assert_same_run, losses
from small_training import change_settings, small_request
from tiny_encoder import save_tiny_encoder

from reference.small_stores import (
    HANDS_RGB,
    LENGTHS,
    RGB,
    SENTENCES,
    WHOLE_POSE,
    hands_rgb_video,
    rgb_video,
    whole_pose_video,
    write_index,
    write_store,
)
from seds_core.errors import UnavailableError, UsageError
from train.checkpoints.run_folder import ChangedRunError, RunFolder
from train.data.rgb_stores import rgb_choice
from train.data.stage_stores import StageStoresError
from train.evaluation.evaluate import evaluate
from train.evaluation.load_model import OtherStoresError, load_run_model
from train.text import openai_clip
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
    plain = data.reader.rgb[0].read(video, "features")
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
    assert example.pose.has_hand.all()


WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})


def request(folder, **changes):
    return small_request(folder, stage="rgb", pose=None, **changes)


@pytest.fixture
def own_encoder(small_folder):
    """A data set whose pipeline names an encoder's folder; a run of it has had one epoch of two."""
    encoder = save_tiny_encoder(small_folder / "encoder", WORDS)
    change_settings(
        small_folder,
        "encoder: clip, weights: random, max_words: 12, width: 64, layers: 1",
        f"encoder: {encoder}, max_words: 12",
    )
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    assert train(**request(small_folder)) == 0
    return small_folder


def test_a_run_is_evaluated_and_resumed_without_its_encoders_folder(own_encoder, capsys):
    folder = RunFolder(own_encoder / "runs" / "run")
    kept = {path.name for path in folder.text_encoder.iterdir()}
    assert {"config.json", "tokenizer.json", "source.json"} <= kept
    shutil.move(own_encoder / "encoder", own_encoder / "moved")
    assert len(evaluate([folder.path], split="train", device="cpu")) == 1
    assert train(**request(own_encoder, resume=True)) == 0
    change_settings(own_encoder, f"{own_encoder}/encoder", f"{own_encoder}/moved")
    assert train(**request(own_encoder, resume=True)) == 0
    save_tiny_encoder(own_encoder / "moved", [*WORDS, "other"])
    with pytest.raises(UsageError, match=r"settings\.text\.encoder: .*encoder there, .*moved now"):
        train(**request(own_encoder, resume=True))


def test_what_has_changed_in_the_index_is_told(own_encoder):
    splits = ["train"] * 6 + ["dev"] * 2
    texts = ["good evening", *SENTENCES[1:]]
    write_index(own_encoder / "index.csv", zip("abcdefgh", splits, texts, strict=True))
    told = r"the sentence of a changed \(good morning -> good evening\)"
    with pytest.raises(UsageError, match=told):
        train(**request(own_encoder, resume=True))
    RunFolder(own_encoder / "runs" / "run").training_videos.unlink()
    with pytest.raises(UsageError, match="which of them cannot be told"):
        train(**request(own_encoder, resume=True))


def test_what_the_files_of_init_bring_is_not_downloaded(small_folder, monkeypatch, capsys):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    assert train(**request(small_folder, name="first")) == 0
    whole = RunFolder(small_folder / "runs" / "first").best

    def no_hub():
        raise UnavailableError("the hub was asked")

    monkeypatch.setattr(openai_clip, "_from_hub", no_hub)
    change_settings(small_folder, "weights: random", "weights: openai")
    change_settings(small_folder, "initial: random", "initial: clip")
    with pytest.raises(UnavailableError, match="the hub was asked"):
        train(**request(small_folder, name="without"))
    assert train(**request(small_folder, name="brought", init=(whole,))) == 0
    for lacking in ("text.network.ln_final.weight", "rgb_stream.blocks.0.expand.bias"):
        weights = torch.load(whole, weights_only=True)["model"]
        del weights[lacking]
        torch.save(weights, small_folder / "part.pt")
        with pytest.raises(UnavailableError, match="the hub was asked"):
            train(**request(small_folder, name="part", init=(small_folder / "part.pt",)))
    source = RunFolder(small_folder / "runs" / "brought").text_encoder / "source.json"
    assert json.loads(source.read_text())["encoder"] == "clip"


def test_weights_that_are_brought_in_part_begin_as_ever(small_folder):
    """The model that was built to find out leaves no trace in the random numbers."""
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    torch.save({"fusion.pose_norm.bias": torch.full((64,), 0.5)}, small_folder / "part.pt")
    torch.save({"fusion.pose_norm.bias": torch.zeros(64)}, small_folder / "same.pt")
    for name, init in (("plain", ()), ("same", (small_folder / "same.pt",))):
        assert train(**small_request(small_folder, name, init=init)) == 0
    plain, same = (losses(small_folder / "runs" / name) for name in ("plain", "same"))
    assert plain == same
