import numpy as np
import pytest
import torch

from train.batches import SignTokens, TextTokens, rows_of
from train.evaluation import scoring
from train.evaluation.scoring import (
    EncodedVideos,
    block_scores,
    block_size,
    score_all_pairs,
    score_streams,
)
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.settings import SimilaritySettings

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
@pytest.mark.parametrize("similarities", [1, 24 * 5, 2**20])
def test_blocks_change_nothing(tokens, padding, similarities, monkeypatch):
    monkeypatch.setattr(scoring, "CPU_BLOCK", similarities)
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


def test_padding_that_counts_for_nothing_is_left_out(tokens, monkeypatch):
    *_, token_is_real, word_is_real = tokens
    seen = 0

    def counted(of_videos, of_texts, *others):
        nonlocal seen
        seen += of_videos[..., 0].numel() * of_texts[..., 0].numel()
        return block_scores(of_videos, of_texts, *others)

    monkeypatch.setattr(scoring, "block_scores", counted)
    monkeypatch.setattr(scoring, "CPU_BLOCK", 1)  # a pair at a time
    score_all_pairs(*tokens, SimilaritySettings(padding="masked"), device=CPU)
    assert seen == token_is_real.sum() * word_is_real.sum()
    seen = 0
    score_all_pairs(*tokens, SimilaritySettings(padding="published"), device=CPU)
    assert seen == token_is_real.numel() * word_is_real.numel()


def test_a_mask_may_have_gaps(tokens):
    signs, words, token_is_real, word_is_real = tokens
    token_is_real[:, 5], word_is_real[:, 3] = True, True
    token_is_real[:, 1], word_is_real[:, 1] = False, False
    sides = (signs, words, token_is_real, word_is_real)
    settings = SimilaritySettings(padding="masked")
    scores = score_all_pairs(*sides, settings, device=CPU)
    whole = retrieval_score(*sides, settings)
    torch.testing.assert_close(torch.from_numpy(scores), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("padding", ["published", "masked"])
def test_a_very_small_temperature_is_no_danger(tokens, padding):
    """exp(1 / 0.005) is no float32 number; a softmax can do without it."""
    settings = SimilaritySettings(temperature=0.005, padding=padding)
    twins = (tokens[0], tokens[0][:7, :4], *tokens[2:])  # cosines of 1 among them
    scores = score_all_pairs(*twins, settings, device=CPU)
    in_double = [side.double() for side in twins[:2]]
    expected = retrieval_score(*in_double, *twins[2:], settings)
    torch.testing.assert_close(torch.from_numpy(scores).double(), expected, atol=1e-5, rtol=0)


def test_every_stream_is_scored_by_itself_and_batch_by_batch(tokens):
    signs, words, token_is_real, word_is_real = tokens
    encoded = SignTokens(token_is_real, pose=signs, fusion=-signs)
    batches = (rows_of(encoded, rows) for rows in (slice(0, 4), slice(4, 5), slice(5, 11)))
    text = TextTokens(words, word_is_real)
    videos = EncodedVideos(11, batches)
    scores = score_streams(videos, text, SimilaritySettings(), device=CPU)
    assert list(scores) == ["fusion", "pose"]
    for stream, tokens_of_stream in encoded.streams.items():
        alone = score_all_pairs(tokens_of_stream, *tokens[1:], SimilaritySettings(), device=CPU)
        np.testing.assert_allclose(scores[stream], alone, atol=1e-6)


def test_a_batch_is_scored_before_the_next_is_asked_for(tokens, monkeypatch):
    """So the tokens of all videos are never in memory together."""
    signs, words, token_is_real, word_is_real = tokens
    events = []

    def batches():
        for row in range(3):
            events.append(f"asked {row}")
            yield SignTokens(token_is_real[row : row + 1], pose=signs[row : row + 1])

    def scored(*sides):
        events.append("scored")
        return block_scores(*sides)

    monkeypatch.setattr(scoring, "block_scores", scored)
    videos, text = EncodedVideos(3, batches()), TextTokens(words, word_is_real)
    score_streams(videos, text, SimilaritySettings(), device=CPU)
    assert events == ["asked 0", "scored", "asked 1", "scored", "asked 2", "scored"]


def test_half_precision_tokens_are_scored_in_single_precision(tokens):
    signs, words, *masks = tokens
    kept = (signs.half(), words.half(), *masks)
    scores = score_all_pairs(*kept, SimilaritySettings(), device=CPU)
    whole = retrieval_score(*tokens, SimilaritySettings())
    torch.testing.assert_close(torch.from_numpy(scores), whole, atol=1e-3, rtol=0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("values", [1, 65 * 32, 65 * 77, 2**30])
def test_blocks_keep_to_their_bound(values, device):
    bound = {"cpu": scoring.CPU_BLOCK, "cuda": scoring.GPU_BLOCK}[device]
    num_videos, num_texts = block_size(values, torch.device(device))
    assert min(num_videos, num_texts) >= 1
    if values > bound:
        assert (num_videos, num_texts) == (1, 1)
    else:
        assert bound / 2 < values * num_videos * num_texts <= bound
        assert max(num_videos, num_texts) <= 4 * min(num_videos, num_texts)
