"""A video's tokens are the same alone, among others, and beside a long one."""

import pickle

import numpy as np
import pytest
import torch
from shared_data import shared_path
from small_stores import signer

from seds_core.clip_plan import clip_starts
from train.batches import ClipLayout
from train.data.collation import collate_signs
from train.data.encoder_input import at_least, encoder_input
from train.data.sign_reader import PoseExample, SignExample
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.text_encoder import build_text_encoder

LAYOUT = ClipLayout(num_slots=16, clip_length=16, rgb_dim=32)
NUM_VIDEOS = 20


@pytest.fixture(scope="module", params=["published", "exact"])
def model(request):
    torch.manual_seed(0)
    settings = TrainSettings(
        text={"weights": "random", "width": 64, "layers": 1},
        pose_encoder={"width": 64},
        streams={"width": 64, "layers": 2, "initial": "random"},
        cgaf={"sampling": request.param},
    )
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    return RetrievalModel(settings, "fusion", LAYOUT, text).eval()


def example(keypoints, size, seed):
    frames = at_least(encoder_input(keypoints, size, "custom"), LAYOUT.clip_length)
    starts = clip_starts(frames.num_frames, LAYOUT.clip_length, LAYOUT.num_slots).astype(np.int64)
    features = np.random.default_rng(seed).normal(size=(len(starts), LAYOUT.rgb_dim))
    return SignExample(PoseExample(frames, starts), features.astype(np.float32))


@torch.no_grad()
def largest_difference(model, examples, companions):
    """Between each example alone and among the companions, relative to its tokens' norm."""
    together = model.encode_signs(collate_signs([*examples, *companions], LAYOUT)).streams
    largest = 0.0
    for place, one in enumerate(examples):
        for name, tokens in model.encode_signs(collate_signs([one], LAYOUT)).streams.items():
            difference = (tokens[0] - together[name][place]).norm() / tokens[0].norm()
            largest = max(largest, difference.item())
    return largest


def made_up(num_frames):
    keypoints = signer(num_frames, np.random.default_rng(num_frames))
    return example(keypoints, (320, 240), num_frames)


def test_made_up_videos(model):
    examples = [made_up(count) for count in (1, 15, 16, 17, 40, 90)]
    assert largest_difference(model, examples, []) < 1e-5
    assert largest_difference(model, examples[:3], [made_up(300)]) < 1e-5


@pytest.mark.shared
def test_real_videos(model):
    files = sorted(shared_path("realsigns/karsl70/keypoints").glob("*.pkl"))[:NUM_VIDEOS]
    keypoints = [pickle.loads(path.read_bytes())["keypoints"] for path in files]
    examples = [example(frames, (256, 256), seed) for seed, frames in enumerate(keypoints)]
    assert len(examples) == NUM_VIDEOS
    assert largest_difference(model, examples, []) < 1e-5
    assert largest_difference(model, examples, [made_up(300)]) < 1e-5


def test_without_frames_after_a_video_they_would_differ(model, monkeypatch):
    """The rule that makes it so: nothing else keeps the padding out."""
    monkeypatch.setattr("train.data.collation.FRAMES_AFTER_A_VIDEO", 0)
    assert largest_difference(model, [made_up(40)], [made_up(90)]) > 1e-5
