"""Weights in the published layout, made from tensor names alone as the golden cases ask."""

import importlib.util
import json
from functools import cache

import torch
from shared_data import golden_path

from train.batches import ClipLayout
from train.checkpoints.import_weights import import_tensors
from train.checkpoints.published_names import our_name
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.text_encoder import build_text_encoder

LAYOUT = ClipLayout(num_slots=64, clip_length=16, rgb_dim=1024)


@cache
def published_layout(size):
    """Name -> shape of every tensor; ``size`` is small or full."""
    return json.loads(golden_path(f"reference_layout_{size}.json").read_text())


@cache
def published_tensors():
    """Name -> tensor of the small layout, with the golden case's seed and gain; read only."""
    location = golden_path("seeded_weights.py")
    spec = importlib.util.spec_from_file_location("seeded_weights", location)
    seeded_weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded_weights)
    case = json.loads(golden_path("case.json").read_text())
    arrays = seeded_weights.seeded_state_dict(
        published_layout("small"), case["seed"], case["model_gain"]
    )
    return {name: torch.as_tensor(array) for name, array in arrays.items()}


def published_name(ours):
    """The published name of a tensor of our model, in the small layout."""
    names = {our_name(name): name for name in published_layout("small")}
    return names[ours]


def settings_of(size):
    """Settings of a model that a published layout fits."""
    layout = published_layout(size)
    text_width, dim = layout["clip.text_projection"]
    layers = {int(name.split(".")[3]) for name in layout if name.startswith("clip.transformer.")}
    return TrainSettings(
        embedding_dim=dim,
        text={"width": text_width, "layers": len(layers)},
        streams={"width": layout["clip.visual.proj"][0], "layers": len(layers)},
    )


def unfilled_model(size, stage="fusion", **changes):
    """A model of a published size with random weights; ``changes`` replace parts of settings."""
    settings = TrainSettings.model_validate(settings_of(size).model_dump() | changes)
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    return RetrievalModel(settings, stage, LAYOUT, text)


def published_model():
    """The golden case's model, in evaluation mode."""
    model = unfilled_model("small")
    import_tensors(model, published_tensors(), "golden")
    return model.eval()
