"""A batch of random videos of given lengths with CLIP's words, collated as a run collates them."""

import numpy as np
import torch

from seds_core.clip_plan import clip_starts
from train.batches import TextBatch, TrainingBatch
from train.data.collation import collate_signs
from train.data.encoder_input import ENCODER_SIZE, PoseInput
from train.data.sign_reader import SignExample
from train.text.openai_clip import up_to_end

START, END = 49_406, 49_407


def random_videos(layout, frames, max_words=32, seed=0):
    """One video a number of frames; every other sentence has a twin with two words swapped."""
    made = np.random.default_rng(seed)
    signs = collate_signs([_example(layout, count, made) for count in frames], layout)
    sentences = torch.from_numpy(made.integers(1, START, (len(frames), max_words)))
    sentences[:, 0] = START
    for row, count in zip(sentences, made.integers(6, max_words, len(frames)), strict=True):
        row[count] = END
        row[count + 1 :] = 0
    twins = sentences.clone()
    twins[::2, [2, 4]] = sentences[::2, [4, 2]]
    text, augmented = (TextBatch(ids, up_to_end(ids)) for ids in (sentences, twins))
    return TrainingBatch(signs, text, augmented)


def _example(layout, num_frames, made):
    def points(count):
        return made.uniform(0, ENCODER_SIZE, (num_frames, count, 2)).astype(np.float32)

    seen = np.ones(num_frames, dtype=bool)
    starts = clip_starts(num_frames, layout.clip_length, layout.num_slots).astype(np.int64)
    rgb = made.normal(size=(len(starts), layout.rgb_dim)).astype(np.float32)
    pose = PoseInput(points(21), points(21), points(7), seen, seen)
    return SignExample(pose, starts, rgb)
