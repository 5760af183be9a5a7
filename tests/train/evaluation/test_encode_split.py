import pytest
import torch

from train.batches import concatenated
from train.evaluation.scoring import encode_sentences, encode_videos, evaluating
from train.model.fine_grained_similarity import unit_length

CPU = torch.device("cpu")
SENTENCES = ["a b", "rain", "x", "longer than eight", "sun"]


def encoded(model, batches, **options):
    """All videos' tokens in one."""
    return concatenated(list(encode_videos(model, batches, 7, device=CPU, **options).batches))


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
    for tokens in videos.batches:
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
