"""Other names for signs, to see what their own names cost.

Part of benchmarks/real_signs.py. A model finds signs by their words, which a text encoder places
near each other where their meanings are, and near by chance where they are names of letters. Under
names that lie as far apart as the encoder's words allow, what is lost to the text cannot be lost.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import AutoModel, AutoTokenizer

from seds_core.dataset_index import IndexedVideo
from train.text.huggingface import location_of

NUM_WORDS = 3000
"""Words of the encoder, the most frequent ones, of which names are chosen."""

FEWEST_LETTERS = 4


def renamed(videos: Sequence[IndexedVideo]) -> list[IndexedVideo]:
    """The same videos, each sign under a name of its own."""
    signs = list(dict.fromkeys(video.text for video in videos))
    names = dict(zip(signs, words_apart(len(signs)), strict=True))
    return [replace(video, text=names[video.text]) for video in videos]


def words_apart(count: int) -> list[str]:
    """So many of MiniLM's words: each as unlike those before it as any word is."""
    location = location_of("minilm")
    tokenizer = AutoTokenizer.from_pretrained(location)
    # The vocabulary is in the order of how frequent words are.
    in_order = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    whole = [word for word, _ in in_order if word.isalpha() and word.isascii()]
    words = [word for word in whole if len(word) >= FEWEST_LETTERS][:NUM_WORDS]
    tokens = tokenizer(words, padding=True, return_tensors="pt")
    with torch.inference_mode():
        vectors = AutoModel.from_pretrained(location)(**tokens).last_hidden_state
    # Each of these words is a single token, between those of start and end.
    vectors = torch.nn.functional.normalize(vectors[:, 1], dim=-1)
    chosen, nearest = [0], vectors @ vectors[0]
    while len(chosen) < count:
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, vectors @ vectors[chosen[-1]])
    return [words[number] for number in chosen]
