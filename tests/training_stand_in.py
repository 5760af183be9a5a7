"""A model with the retrieval model's parts and methods, as small as can be, and batches for it."""

import math

import torch
from torch import nn

from train.batches import (
    ClipLayout,
    PoseBatch,
    SignBatch,
    SignTokens,
    TextBatch,
    TextTokens,
    TrainingBatch,
    map_tensors,
)
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.text_encoder import build_text_encoder

NUM_SLOTS, NUM_FRAMES, RGB_DIM, DIM, NUM_WORDS, VOCABULARY = 5, 12, 6, 8, 7, 30


class StandInModel(RetrievalModel):
    """Linear layers, one batch norm and one dropout in the pose encoder."""

    def __init__(self, dropout=0.0):
        nn.Module.__init__(self)
        self.text = nn.Sequential(nn.Embedding(VOCABULARY, DIM), nn.Linear(DIM, DIM))
        self.text.is_random = False
        self.pose_encoder = nn.Sequential(
            nn.Linear(2, DIM), nn.BatchNorm1d(NUM_FRAMES), nn.ReLU(), nn.Dropout(dropout)
        )
        self.pose_stream = nn.Linear(DIM, (NUM_SLOTS + 1) * DIM)
        self.rgb_stream = nn.Linear(RGB_DIM, DIM)
        self.fusion = nn.Linear(DIM, DIM)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_signs(self, signs):
        frames = self.pose_encoder(signs.pose.right.mean(dim=2))
        pose = self.pose_stream(frames.mean(dim=1)).view(-1, NUM_SLOTS + 1, DIM)
        rgb = self.rgb_stream(nn.functional.pad(signs.rgb, (0, 0, 1, 0), value=1.0))
        fusion = self.fusion(pose + rgb)
        is_real = nn.functional.pad(signs.clip_is_real, (1, 0), value=True)
        return SignTokens(is_real, pose, rgb, fusion)

    def encode_text(self, text):
        return TextTokens(self.text(text.input_ids), text.word_is_real)


def small_model():
    """The real model, small, without dropout; it takes the same batches."""
    settings = TrainSettings.model_validate(
        {
            "embedding_dim": 32,
            "text": {"weights": "random", "width": 64, "layers": 1},
            "pose_encoder": {"width": 8, "dropout": 0.0, "head_dropout": 0.0},
            "streams": {"width": 64, "layers": 1, "initial": "random"},
            "cgaf": {"neighbours": [3], "heads": 2, "hidden": 16, "dropout": 0.0},
        }
    )
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    return RetrievalModel(settings, "fusion", ClipLayout(NUM_SLOTS, 4, RGB_DIM), text)


def without_batch_statistics(model):
    """The model with every batch norm in evaluation mode, so that videos do not see each other."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()
    return model


def random_batch(num_videos, seed=0):
    """Videos of one to all clips, and sentences of two to all words."""
    made = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(num_videos, *shape, generator=made)

    def counted(least, size):
        counts = torch.randint(least, size + 1, (num_videos, 1), generator=made)
        return torch.arange(size) < counts

    def sentences(is_real):
        words = torch.randint(1, VOCABULARY, is_real.shape, generator=made)
        return TextBatch(words * is_real, is_real)

    clip_is_real, word_is_real = counted(1, NUM_SLOTS), counted(2, NUM_WORDS)
    pose = PoseBatch(
        right=normal(NUM_FRAMES, 21, 2),
        left=normal(NUM_FRAMES, 21, 2),
        body=normal(NUM_FRAMES, 7, 2),
        clip_starts=torch.where(clip_is_real, torch.arange(NUM_SLOTS), -1),
    )
    signs = SignBatch(clip_is_real, pose, normal(NUM_SLOTS, RGB_DIM))
    return TrainingBatch(signs, sentences(word_is_real), sentences(word_is_real))


def in_float64(batch):
    return map_tensors(lambda t: t.double() if t.is_floating_point() else t, batch)
