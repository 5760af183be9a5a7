"""The whole model: stages, repeated sentences, independence of the batch."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from shared_data import shared_path
from torch import nn
from training_stand_in import in_float64, small_model

from reference.small_stores import signer
from seds_core.clip_plan import clip_starts
from train.batches import ClipLayout, PoseBatch, SignBatch, TextBatch, concatenated
from train.data.collation import collate_signs
from train.data.encoder_input import at_least, encoder_input
from train.data.sign_reader import SignExample
from train.model.retrieval_model import RetrievalModel, distinct_sentences
from train.model.stream_transformer import StreamTransformer, quick_gelu
from train.settings import StreamSettings, TrainSettings
from train.text.text_encoder import TextEncoder, build_text_encoder

LAYOUT = ClipLayout(num_slots=3, clip_length=16, rgb_dim=10)
SETTINGS = TrainSettings(
    embedding_dim=16,
    pose_encoder={"width": 8},
    streams={"width": 64, "layers": 1, "initial": "random"},
    cgaf={"heads": 2, "hidden": 16},
)


class CodeText(TextEncoder):
    """Every position's vector is its number, over and over."""

    def forward(self, text):
        return text.input_ids[..., None].expand(-1, -1, 16).float()

    def pretrained_parameters(self):
        return self.parameters()

    def use_gradient_checkpointing(self):
        pass


def signs():
    pose = PoseBatch(
        torch.rand(2, 24, 21, 2),
        torch.rand(2, 24, 21, 2),
        torch.rand(2, 24, 7, 2),
        torch.tensor([[0, 1, 2], [0, -1, -1]]),
    )
    real = torch.tensor([[True, True, True], [True, False, False]])
    return SignBatch(real, pose, torch.randn(2, 3, 10))


def model(stage):
    return RetrievalModel(SETTINGS, stage, LAYOUT, CodeText()).eval()


@pytest.mark.parametrize(
    ("stage", "streams"),
    [("pose", {"pose"}), ("rgb", {"rgb"}), ("fusion", {"fusion", "pose", "rgb"})],
)
def test_a_stage_has_its_streams(stage, streams):
    tokens = model(stage).encode_signs(signs())
    assert set(tokens.streams) == streams
    assert all(values.shape == (2, 4, 16) for values in tokens.streams.values())
    assert tokens.token_is_real.tolist() == [[True] * 4, [True, True, False, False]]


@pytest.mark.parametrize(("stage", "missing"), [("pose", "pose"), ("fusion", "rgb")])
def test_a_stream_without_its_data_is_named(stage, missing):
    with pytest.raises(ValueError, match="which this stage needs"):
        model(stage).encode_signs(replace(signs(), **{missing: None}))


def test_rgb_needs_a_feature_size():
    with pytest.raises(ValueError, match="needs the size of RGB features"):
        RetrievalModel(SETTINGS, "rgb", replace(LAYOUT, rgb_dim=None), CodeText())


def test_the_scale_begins_at_the_temperature_and_ends_at_100():
    scaled = model("rgb")
    assert scaled.scale.item() == pytest.approx(1 / 0.07)
    nn.init.constant_(scaled.logit_scale, math.log(1000))
    assert scaled.scale.item() == pytest.approx(100)


def test_sentences_keep_their_mask():
    text = TextBatch(torch.tensor([[1, 5, 2, 0]]), torch.tensor([[True, True, True, False]]))
    tokens = model("pose").encode_text(text)
    assert tokens.words[0, :, 3].tolist() == [1, 5, 2, 0]
    assert tokens.word_is_real is text.word_is_real


STREAM_SETTINGS = StreamSettings(width=64, layers=2, initial="random")


def stream():
    torch.manual_seed(0)
    return StreamTransformer(10, 12, num_slots=5, settings=STREAM_SETTINGS)


def test_class_token_and_slots_come_out():
    real = torch.ones(2, 6, dtype=torch.bool)
    assert stream()(torch.randn(2, 5, 10), real).shape == (2, 6, 12)


def test_unused_slots_are_looked_at_by_none():
    real = torch.tensor([[True, True, True, False, False, False]])
    clips, changed = torch.randn(1, 5, 10), torch.randn(1, 5, 10)
    changed[:, :2] = clips[:, :2]
    model = stream()
    torch.testing.assert_close(model(clips, real)[:, :3], model(changed, real)[:, :3])
    everywhere = torch.ones_like(real)
    assert not torch.allclose(model(clips, everywhere)[:, :3], model(changed, everywhere)[:, :3])


def test_order_matters():
    real, clips, model = torch.ones(1, 6, dtype=torch.bool), torch.randn(1, 5, 10), stream()
    assert not torch.allclose(model(clips, real)[:, 0], model(clips.flip(1), real)[:, 0])


def test_recomputing_changes_no_gradient():
    real, clips = torch.ones(2, 6, dtype=torch.bool), torch.randn(2, 5, 10)
    plain, saving = stream().train(), stream().train()
    saving.gradient_checkpointing = True
    for model in (plain, saving):
        model(clips, real).square().sum().backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_quick_gelu_by_hand():
    values = quick_gelu(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / (1 + 2.718281828**-1.702)]))


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
def text_model():
    torch.manual_seed(0)
    return small_model().double().train()


def gradients_of(text_model, tokens):
    """Of a loss that weighs every number of both sets of tokens differently."""
    made = torch.Generator().manual_seed(1)
    text_model.zero_grad()
    for encoded in tokens:
        weights = torch.randn(encoded.words.shape, generator=made, dtype=torch.float64)
        (encoded.words * weights).sum().backward(retain_graph=True)
    return [parameter.grad.clone() for parameter in text_model.text.parameters()]


def test_values_and_gradients_are_those_of_encoding_every_row(text_model):
    twins = in_float64(PLAIN), in_float64(TWINS)
    once = text_model.encode_texts(*twins)
    twice = [text_model.encode_text(text) for text in twins]
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(one.words, other.words, rtol=0, atol=1e-12)
        assert torch.equal(one.word_is_real, other.word_is_real)
    gradients = zip(gradients_of(text_model, once), gradients_of(text_model, twice), strict=True)
    for one, other in gradients:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.fixture
def encoded_rows(text_model):
    """How many sentences each pass of the text encoder has had."""
    rows = []
    text_model.text.register_forward_hook(lambda _, texts, __: rows.append(len(texts[0].input_ids)))
    return rows


def test_equal_sentences_are_encoded_once(text_model, encoded_rows):
    text_model.encode_texts(PLAIN, TWINS)
    assert encoded_rows == [5]


def test_an_encoder_with_dropout_encodes_every_row(text_model, encoded_rows, monkeypatch):
    monkeypatch.setattr(type(text_model.text), "is_random", True)
    text_model.encode_texts(PLAIN, TWINS)
    assert encoded_rows == [4, 4]


SMALL_LAYOUT = ClipLayout(num_slots=16, clip_length=16, rgb_dim=32)
NUM_VIDEOS = 20


@pytest.fixture(scope="module", params=["published", "exact"])
def whole_model(request):
    torch.manual_seed(0)
    settings = TrainSettings(
        text={"weights": "random", "width": 64, "layers": 1},
        pose_encoder={"width": 64},
        streams={"width": 64, "layers": 2, "initial": "random"},
        cgaf={"sampling": request.param},
    )
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    return RetrievalModel(settings, "fusion", SMALL_LAYOUT, text).eval()


def example(keypoints, size, seed):
    frames = at_least(encoder_input(keypoints, size, "custom"), SMALL_LAYOUT.clip_length)
    starts = clip_starts(
        frames.num_frames, SMALL_LAYOUT.clip_length, SMALL_LAYOUT.num_slots
    ).astype(np.int64)
    features = np.random.default_rng(seed).normal(size=(len(starts), SMALL_LAYOUT.rgb_dim))
    return SignExample(frames, starts, features.astype(np.float32))


@torch.no_grad()
def largest_difference(whole_model, examples, companions):
    """Between each example alone and among the companions, relative to its tokens' norm."""
    together = whole_model.encode_signs(
        collate_signs([*examples, *companions], SMALL_LAYOUT)
    ).streams
    largest = 0.0
    for index, one in enumerate(examples):
        for name, tokens in whole_model.encode_signs(
            collate_signs([one], SMALL_LAYOUT)
        ).streams.items():
            difference = (tokens[0] - together[name][index]).norm() / tokens[0].norm()
            largest = max(largest, difference.item())
    return largest


def made_up(num_frames):
    keypoints = signer(num_frames, np.random.default_rng(num_frames))
    return example(keypoints, (320, 240), num_frames)


def test_made_up_videos(whole_model):
    examples = [made_up(count) for count in (1, 15, 16, 17, 40, 90)]
    assert largest_difference(whole_model, examples, []) < 1e-5
    assert largest_difference(whole_model, examples[:3], [made_up(300)]) < 1e-5


@pytest.mark.shared
def test_real_videos(whole_model):
    files = sorted(shared_path("realsigns/karsl70/keypoints").glob("*.pkl"))[:NUM_VIDEOS]
    keypoints = [pickle.loads(path.read_bytes())["keypoints"] for path in files]
    examples = [example(frames, (256, 256), seed) for seed, frames in enumerate(keypoints)]
    assert len(examples) == NUM_VIDEOS
    assert largest_difference(whole_model, examples, []) < 1e-5
    assert largest_difference(whole_model, examples, [made_up(300)]) < 1e-5


def test_without_frames_after_a_video_they_would_differ(whole_model, monkeypatch):
    """The rule that makes it so: nothing else keeps the padding out."""
    monkeypatch.setattr("train.data.collation.FRAMES_AFTER_A_VIDEO", 0)
    assert largest_difference(whole_model, [made_up(40)], [made_up(90)]) > 1e-5
