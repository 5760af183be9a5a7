"""All pairs of a split: encoding, blocks, and the whole."""

import numpy as np
import pytest
import torch

from train.batches import SignTokens, TextTokens, concatenated, rows_of
from train.evaluation import scoring
from train.evaluation.scoring import (
    SMALLEST_TEMPERATURE,
    block_scores,
    block_size,
    encode_sentences,
    encode_videos,
    evaluating,
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
    scores = score_streams(batches, 11, text, SimilaritySettings(), device=CPU)
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
    score_streams(batches(), 3, TextTokens(words, word_is_real), SimilaritySettings(), device=CPU)
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


def sides(dtype=torch.float32, *, num_videos=5, num_texts=7):
    """Unit-length tokens and masks; the first sentence says what the first video shows."""
    generator = torch.Generator().manual_seed(0)
    signs = unit_length(torch.randn(num_videos, 9, 16, generator=generator, dtype=dtype))
    words = unit_length(torch.randn(num_texts, 6, 16, generator=generator, dtype=dtype))
    words[0] = signs[0, :6]
    token_is_real = torch.arange(9) < torch.randint(1, 10, (num_videos, 1), generator=generator)
    word_is_real = torch.arange(6) < torch.randint(1, 7, (num_texts, 1), generator=generator)
    return signs, words, token_is_real, word_is_real


@pytest.mark.parametrize("padding", ["published", "masked"])
@pytest.mark.parametrize("temperature", [0.07, 1.0, SMALLEST_TEMPERATURE])
def test_quotients_of_sums_are_softmaxes(padding, temperature):
    settings = SimilaritySettings(padding=padding, temperature=temperature)
    tokens = sides(torch.float64)
    torch.testing.assert_close(
        block_scores(*tokens, settings), retrieval_score(*tokens, settings), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("padding", ["published", "masked"])
@pytest.mark.parametrize("temperature", [0.07, SMALLEST_TEMPERATURE])
def test_single_precision_loses_nothing_to_the_missing_maximum(padding, temperature):
    settings = SimilaritySettings(padding=padding, temperature=temperature)
    expected = retrieval_score(*sides(torch.float64), settings)
    tokens = [side.float() if side.is_floating_point() else side for side in sides(torch.float64)]
    plain = (retrieval_score(*tokens, settings) - expected).abs().max()
    found = (block_scores(*tokens, settings) - expected).abs().max()
    assert found < max(1e-6, 2 * plain)


def test_the_largest_sums_are_numbers():
    """All tokens the same, or opposite: every exponent at its end."""
    settings = SimilaritySettings(temperature=SMALLEST_TEMPERATURE)
    signs = unit_length(torch.ones(1, 65, 4))
    real = torch.ones(1, 65, dtype=torch.bool)
    for sign in (1.0, -1.0):
        score = block_scores(signs, sign * signs, real, real, settings)
        assert score.item() == pytest.approx(sign, abs=1e-5)


def test_padding_is_not_looked_at_where_it_counts_for_nothing():
    signs, words, token_is_real, word_is_real = sides()
    settings = SimilaritySettings(padding="masked")
    before = block_scores(signs, words, token_is_real, word_is_real, settings)
    signs[~token_is_real], words[~word_is_real] = 0.25, -0.25
    after = block_scores(signs, words, token_is_real, word_is_real, settings)
    assert not token_is_real.all()
    assert not word_is_real.all()
    torch.testing.assert_close(after, before)
    published = SimilaritySettings()
    other = block_scores(signs, words, token_is_real, word_is_real, published)
    assert not torch.allclose(other, before, atol=1e-3)


SENTENCES = ["a b", "rain", "x", "longer than eight", "sun"]


def encoded(model, batches, **options):
    """All videos' tokens in one."""
    return concatenated(list(encode_videos(model, batches, 7, device=CPU, **options)))


@pytest.fixture
def counted(small_model, monkeypatch):
    """The model, and how many rows went through its encoders."""
    seen = {"videos": 0, "sentences": 0}
    signs, text = small_model.encode_signs, small_model.encode_text

    def encode_signs(batch):
        seen["videos"] += batch.num_videos
        return signs(batch)

    def encode_text(batch):
        seen["sentences"] += len(batch.input_ids)
        return text(batch)

    monkeypatch.setattr(small_model, "encode_signs", encode_signs)
    monkeypatch.setattr(small_model, "encode_text", encode_text)
    return small_model, seen


def test_videos_are_encoded_once_and_in_order(counted, sign_batches):
    model, seen = counted
    tokens = encoded(model, sign_batches)
    assert seen["videos"] == 7
    model.eval()
    alone = torch.cat([unit_length(model.encode_signs(batch).rgb) for batch in sign_batches])
    torch.testing.assert_close(tokens.rgb, alone.detach())
    assert list(tokens.streams) == ["rgb"]
    assert not tokens.rgb.requires_grad
    real = torch.cat([batch.clip_is_real for batch in sign_batches])
    assert torch.equal(tokens.token_is_real[:, 1:], real)


def test_between_batches_nothing_is_left_of_the_encoding(small_model, sign_batches):
    small_model.train()
    videos = encode_videos(small_model, sign_batches, 7, device=CPU, precision="bfloat16")
    for tokens in videos:
        assert small_model.training
        assert not torch.is_inference_mode_enabled()
        product = tokens.rgb.clone() @ torch.ones(16, 1)
        assert product.dtype == torch.float32


def test_a_missing_video_is_noticed(small_model, sign_batches):
    with pytest.raises(AssertionError, match="6 of 7"):
        encoded(small_model, sign_batches[:2])


def test_sentences_are_encoded_once_and_without_dropout(counted, letters):
    model, seen = counted
    model.train()
    tokens = encode_sentences(model, letters, SENTENCES, 2, device=CPU)
    assert seen["sentences"] == 5
    expected = unit_length(model.text.vectors(letters(SENTENCES).input_ids))
    torch.testing.assert_close(tokens.words, expected.detach())
    assert tokens.word_is_real.sum(dim=1).tolist() == [3, 4, 1, 8, 3]


def test_half_precision_is_used_where_asked_and_lengths_stay_exact(small_model, sign_batches):
    whole = encoded(small_model, sign_batches)
    rough = encoded(small_model, sign_batches, precision="bfloat16")
    assert rough.rgb.dtype == torch.float32
    assert not torch.equal(rough.rgb, whole.rgb)
    torch.testing.assert_close(rough.rgb, whole.rgb, atol=0.05, rtol=0)
    torch.testing.assert_close(rough.rgb.norm(dim=-1), torch.ones(7, 6))


def test_every_part_trains_afterwards_as_before(small_model):
    small_model.train()
    small_model.text.vectors.eval()  # such as a frozen part
    with evaluating(small_model, CPU, "float32"):
        assert not any(part.training for part in small_model.modules())
    resting = [name for name, part in small_model.named_modules() if not part.training]
    assert resting == ["text.vectors"]
