"""A tiny model that encodes sentences of a few known words."""

import pytest
from tiny_encoder import save_tiny_encoder

WORDS = ["rain", "sun", "snow", "wind", "north", "tomorrow"]


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory):
    """The folder of a text encoder that knows six words."""
    return str(save_tiny_encoder(tmp_path_factory.mktemp("text"), WORDS))


@pytest.fixture
def sentence_encoder(tiny_text):
    """Makes a sentence encoder; sentences have eight positions."""
    import torch

    from search.query.sentence import SentenceEncoder
    from train.batches import ClipLayout
    from train.model.retrieval_model import RetrievalModel
    from train.settings import StreamSettings, TextSettings, TrainSettings
    from train.text.text_encoder import build_text_encoder, build_tokenizer

    def make(**changes):
        torch.manual_seed(0)
        settings = TrainSettings(
            embedding_dim=16,
            text=TextSettings(encoder=tiny_text, max_words=8),
            streams=StreamSettings(width=64, layers=1, initial="random"),
        ).model_copy(update=changes)
        text = build_text_encoder(settings.text, 16)
        model = RetrievalModel(settings, "rgb", ClipLayout(5, 16, 6), text)
        return SentenceEncoder(model.train(), build_tokenizer(settings.text), settings), model

    return make


def by_heart(sentence, vocabulary=None):
    """Encodes a sentence without a model: each word is a token of its own."""
    import numpy as np
    import torch

    from reference.small_indexes import unit_tokens
    from search.engine.ragged_tokens import QueryTokens
    from search.query.sentence import SentenceQuery
    from train.text.pieces import SentencePieces

    words = tuple(sentence.split())
    tokens = [unit_tokens(1, np.random.default_rng(sum(w.encode()))) for w in words]
    tokens = torch.from_numpy(np.concatenate(tokens).astype(np.float32))
    pieces = SentencePieces(words, tuple(range(len(words))), words, (), 0)
    known = vocabulary is not None and "rain" in vocabulary.words
    query = QueryTokens(tokens, torch.ones(len(words), dtype=torch.bool))
    return SentenceQuery(sentence, query, pieces, ("the index knows rain",) * known)


@pytest.fixture
def load(monkeypatch):
    """Loads indexes whose model is none."""
    from search.query.query_model import QueryModel
    from search.query.retriever import Retriever

    monkeypatch.setattr(QueryModel, "sentences", lambda _: by_heart)
    return Retriever.load
