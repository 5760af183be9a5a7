import multiprocessing
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from seds_core.errors import UsageError
from train.data.retrieval_data import SplitError, open_data
from train.data.sign_reader import SignReader
from train.evaluation.scoring import evaluate_split, gallery_of
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.model.retrieval_model import RetrievalModel
from train.settings import EvaluationSettings, OptimisationSettings

CPU = torch.device("cpu")


@pytest.fixture
def ready(tiny_settings, small_data, small_model, letters):
    """Model, data and tokenizer."""
    torch.manual_seed(0)
    data = open_data(tiny_settings, "fusion", **small_data)
    model = RetrievalModel(tiny_settings, "fusion", data.layout, small_model.text)
    return model, data, letters


def test_all_pairs_of_a_split(ready, tiny_settings):
    model, data, tokenizer = ready
    found = evaluate_split(model, data, "train", tokenizer, settings=tiny_settings, device=CPU)
    assert found.gallery.video_ids == ("a", "b", "c", "d", "e", "f")
    assert found.gallery.sentences == (
        "good morning", "rain in the north", "the sun", "wind", "it is cold today"
    )  # fmt: skip
    assert found.gallery.text_of_video.tolist() == [0, 1, 1, 2, 3, 4]
    assert {name: scores.shape for name, scores in found.scores.items()} == {
        "fusion": (6, 5), "pose": (6, 5), "rgb": (6, 5),
    }  # fmt: skip
    assert 0 <= found.mean_r1("fusion") <= 100


def test_a_pair_scores_as_it_does_alone(ready, tiny_settings):
    """Whatever is in its batch and its block: one video and one sentence by themselves."""
    from train.data.loading import sign_batches

    model, data, tokenizer = ready
    found = evaluate_split(model, data, "train", tokenizer, settings=tiny_settings, device=CPU)
    model.eval()
    with torch.inference_mode():
        (batch,) = sign_batches(data, data.split("train")[1:2], 1, 0)
        signs, text = model.encode_signs(batch), model.encode_text(tokenizer(["wind"]))
        alone = retrieval_score(
            unit_length(signs.fusion), unit_length(text.words),
            signs.token_is_real, text.word_is_real, tiny_settings.similarity,
        )  # fmt: skip
    np.testing.assert_allclose(found.scores["fusion"][1, 3], float(alone), atol=2e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_evaluation_has_a_precision_of_its_own(ready, tiny_settings, monkeypatch, precision):
    """Half precision in training does not move the scores."""
    model, data, tokenizer = ready
    found = []

    def noted(self, signs, encode=RetrievalModel.encode_signs):
        tokens = encode(self, signs)
        found.append(tokens.pose.dtype)
        return tokens

    monkeypatch.setattr(RetrievalModel, "encode_signs", noted)
    settings = tiny_settings.model_copy(
        update={
            "optimisation": OptimisationSettings(precision="bfloat16"),
            "evaluation": EvaluationSettings(precision=precision),
        }
    )
    evaluate_split(model, data, "dev", tokenizer, settings=settings, device=CPU)
    assert set(found) == {getattr(torch, precision)}


def test_training_goes_on_as_before(ready, tiny_settings):
    model, data, tokenizer = ready
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate_split(model, data, "dev", tokenizer, settings=tiny_settings, device=CPU)
    assert all(part.training for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_videos_whose_features_are_not_finite_are_named(ready, tiny_settings, monkeypatch):
    model, data, tokenizer = ready
    read = SignReader.read

    def broken(self, video):
        example = read(self, video)
        if example.rgb[0, 0] in (9, 95):  # their numbers of frames: b and c
            example.rgb[0, 1] = np.nan
        return example

    monkeypatch.setattr(SignReader, "read", broken)
    with pytest.raises(UsageError, match="features of 'b', 'c' hold"):
        evaluate_split(model, data, "train", tokenizer, settings=tiny_settings, device=CPU)


def test_an_empty_split_is_refused(ready, tiny_settings):
    model, data, tokenizer = ready
    with pytest.raises(SplitError, match="'test'"):
        evaluate_split(model, data, "test", tokenizer, settings=tiny_settings, device=CPU)


def test_published_entries_come_from_the_index(tmp_path):
    from seds_core.dataset_index import read_index

    path = tmp_path / "index.csv"
    path.write_text(
        "video_id,path,text,sentence_id\na,a.mp4,rain,1\nb,b.mp4,rain,2\nc,c.mp4,rain,1\n"
    )
    gallery = gallery_of("test", tuple(read_index(path)))
    assert gallery.text_of_video.tolist() == [0, 0, 0]
    assert gallery.entry_of_video.tolist() == [0, 1, 0]


@pytest.mark.parametrize("fails", [False, True])
def test_reading_processes_end_with_the_evaluation(ready, tiny_settings, monkeypatch, fails):
    model, data, tokenizer = ready
    readers = []

    def noted(self, signs, encode=RetrievalModel.encode_signs):
        readers.extend(multiprocessing.active_children())
        if fails:
            raise ZeroDivisionError
        return encode(self, signs)

    monkeypatch.setattr(RetrievalModel, "encode_signs", noted)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        evaluate_split(model, data, "dev", tokenizer, settings=tiny_settings, device=CPU, workers=1)
    assert readers
    assert not set(readers) & set(multiprocessing.active_children())
