"""A run has its text encoder with it; weights are looked for only where none are brought."""

import json
import shutil

import pytest
import torch
from run_comparison import losses
from small_stores import SENTENCES, write_index
from small_training import change_settings, small_request
from tiny_encoder import save_tiny_encoder

from seds_core.errors import UnavailableError, UsageError
from train.checkpoints.run_folder import RunFolder
from train.evaluation.evaluate import evaluate
from train.text import openai_clip
from train.training.run import train

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
