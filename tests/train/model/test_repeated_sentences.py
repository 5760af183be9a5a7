import pytest
import torch
from training_stand_in import in_float64, small_model

from train.batches import TextBatch, concatenated
from train.model.retrieval_model import distinct_sentences


def sentences(*rows):
    input_ids = torch.tensor(rows)
    return TextBatch(input_ids, input_ids > 0)


PLAIN = sentences([1, 5, 6, 2, 0], [1, 7, 2, 0, 0], [1, 5, 6, 2, 0], [1, 8, 9, 3, 2])
TWINS = sentences([1, 6, 5, 2, 0], [1, 7, 2, 0, 0], [1, 5, 6, 2, 0], [1, 9, 8, 3, 2])


def test_rows_are_made_of_distinct_sentences():
    found, sentence_of_row = distinct_sentences(concatenated([PLAIN, TWINS]))
    assert len(found.input_ids) == 5
    assert torch.equal(found.input_ids[sentence_of_row[:4]], PLAIN.input_ids)
    assert torch.equal(found.word_is_real[sentence_of_row[4:]], TWINS.word_is_real)


def test_the_same_numbers_with_another_mask_are_another_sentence():
    text = TextBatch(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([[True] * 3, [False] * 3]))
    found, _ = distinct_sentences(text)
    assert len(found.input_ids) == 2


@pytest.fixture
def model():
    torch.manual_seed(0)
    return small_model().double().train()


def gradients_of(model, tokens):
    """Of a loss that weighs every number of both sets of tokens differently."""
    made = torch.Generator().manual_seed(1)
    model.zero_grad()
    for encoded in tokens:
        weights = torch.randn(encoded.words.shape, generator=made, dtype=torch.float64)
        (encoded.words * weights).sum().backward(retain_graph=True)
    return [parameter.grad.clone() for parameter in model.text.parameters()]


def test_values_and_gradients_are_those_of_encoding_every_row(model):
    twins = in_float64(PLAIN), in_float64(TWINS)
    once = model.encode_twins(*twins)
    twice = [model.encode_text(text) for text in twins]
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(one.words, other.words, rtol=0, atol=1e-12)
        assert torch.equal(one.word_is_real, other.word_is_real)
    gradients = zip(gradients_of(model, once), gradients_of(model, twice), strict=True)
    for one, other in gradients:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.fixture
def encoded_rows(model):
    """How many sentences each pass of the text encoder has had."""
    rows = []
    model.text.register_forward_hook(lambda _, texts, __: rows.append(len(texts[0].input_ids)))
    return rows


def test_equal_sentences_are_encoded_once(model, encoded_rows):
    model.encode_twins(PLAIN, TWINS)
    assert encoded_rows == [5]


def test_an_encoder_with_dropout_encodes_every_row(model, encoded_rows, monkeypatch):
    monkeypatch.setattr(type(model.text), "is_random", True)
    model.encode_twins(PLAIN, TWINS)
    assert encoded_rows == [4, 4]
