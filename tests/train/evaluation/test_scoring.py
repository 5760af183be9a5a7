import pytest
import torch

from train.batches import SignTokens, TextTokens
from train.evaluation import scoring
from train.evaluation.scoring import block_size, score_all_pairs, score_streams
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.model_settings import SimilaritySettings

CPU = torch.device("cpu")


@pytest.fixture
def tokens():
    """Unit-length tokens and masks of 11 videos and 7 sentences."""
    generator = torch.Generator().manual_seed(0)
    signs = unit_length(torch.randn(11, 6, 8, generator=generator))
    words = unit_length(torch.randn(7, 4, 8, generator=generator))
    token_is_real = torch.arange(6) < torch.randint(1, 7, (11, 1), generator=generator)
    word_is_real = torch.arange(4) < torch.randint(1, 5, (7, 1), generator=generator)
    return signs, words, token_is_real, word_is_real


@pytest.mark.parametrize("padding", ["published", "masked"])
@pytest.mark.parametrize("bytes_at_once", [1, 4 * scoring.COPIES * 24 * 5, 2**28])
def test_blocks_change_nothing(tokens, padding, bytes_at_once, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_BYTES", bytes_at_once)
    settings = SimilaritySettings(padding=padding)
    blocked = score_all_pairs(*tokens, settings, device=CPU)
    whole = retrieval_score(*tokens, settings)
    torch.testing.assert_close(torch.from_numpy(blocked), whole, atol=1e-6, rtol=0)


def slow_score(signs, words, token_is_real, word_is_real, temperature):
    """One pair, in loops, double precision: the published padded softmax, masked means."""
    signs, words = signs.double(), words.double()
    to_text, to_video = [], []
    for i in range(len(signs)):
        row = torch.stack([signs[i] @ word for word in words])
        if token_is_real[i]:
            to_text.append((row * (row / temperature).softmax(0)).sum())
    for j in range(len(words)):
        column = torch.stack([sign @ words[j] for sign in signs])
        if word_is_real[j]:
            to_video.append((column * (column / temperature).softmax(0)).sum())
    return 0.5 * (torch.stack(to_text).mean() + torch.stack(to_video).mean())


def test_scores_are_those_of_the_loop(tokens):
    signs, words, token_is_real, word_is_real = tokens
    scores = score_all_pairs(*tokens, SimilaritySettings(), device=CPU)
    for v, t in [(0, 0), (3, 5), (10, 6)]:
        slow = slow_score(signs[v], words[t], token_is_real[v], word_is_real[t], 0.07)
        assert scores[v, t] == pytest.approx(float(slow), abs=1e-5)


def test_every_stream_is_scored_by_itself(tokens):
    signs, words, token_is_real, word_is_real = tokens
    encoded = SignTokens(token_is_real, pose=signs, fusion=-signs)
    scores = score_streams(
        encoded, TextTokens(words, word_is_real), SimilaritySettings(), device=CPU
    )
    assert list(scores) == ["fusion", "pose"]
    alone = score_all_pairs(-signs, *tokens[1:], SimilaritySettings(), device=CPU)
    assert (scores["fusion"] == alone).all()


def test_half_precision_tokens_are_scored_in_single_precision(tokens):
    signs, words, *masks = tokens
    kept = (signs.half(), words.half(), *masks)
    scores = score_all_pairs(*kept, SimilaritySettings(), device=CPU)
    whole = retrieval_score(*tokens, SimilaritySettings())
    torch.testing.assert_close(torch.from_numpy(scores), whole, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("videos", "texts"), [(1, 1), (10, 100_000), (100_000, 10), (5000, 5000)])
def test_blocks_keep_to_their_bound(videos, texts):
    values = 65 * 32
    rows, columns = block_size(videos, texts, values)
    assert 1 <= rows <= videos
    assert 1 <= columns <= texts
    bytes_used = 4 * scoring.COPIES * values * rows * columns
    assert bytes_used <= scoring.BLOCK_BYTES
    # All pairs in one go, or a block that is well used.
    assert (rows, columns) == (videos, texts) or bytes_used > scoring.BLOCK_BYTES / 2
