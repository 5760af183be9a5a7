"""A run's own copy of its text encoder stands for the encoder wherever that has gone."""

import hashlib
import json
import shutil

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file
from tiny_encoder import save_tiny_encoder

from train.settings import TextSettings
from train.text import huggingface
from train.text.kept_encoder import as_kept, keep_text_encoder, moved_settings
from train.text.text_encoder import build_text_encoder, build_tokenizer

WORDS = ["rain", "wind", "sun"]
SENTENCES = ["rain wind", "sun and sun"]


def settings(encoder, **changes):
    return TextSettings(encoder=str(encoder), max_words=8, **changes)


def source(folder):
    return json.loads((folder / "source.json").read_text())


def test_the_copy_gives_the_same_numbers_and_sizes_without_the_encoder(tmp_path):
    original = settings(save_tiny_encoder(tmp_path / "encoder", WORDS))
    wanted = build_tokenizer(original)(SENTENCES)
    weights = build_text_encoder(original, 4).state_dict()
    keep_text_encoder(original, tmp_path / "kept")
    shutil.rmtree(tmp_path / "encoder")
    kept = as_kept(original, tmp_path / "kept")
    assert torch.equal(build_tokenizer(kept)(SENTENCES).input_ids, wanted.input_ids)
    build_text_encoder(kept, 4, with_weights=False).load_state_dict(weights)
    assert not list((tmp_path / "kept").glob("*.safetensors"))
    assert kept.model_copy(update={"encoder": original.encoder}) == original


def test_without_a_copy_the_name_stays(tmp_path):
    assert as_kept(settings("a/name"), tmp_path) == settings("a/name")


def test_a_copy_is_replaced_as_a_whole(tmp_path):
    for words in (WORDS, ["other"]):
        encoder = settings(save_tiny_encoder(tmp_path / "encoder", words))
        keep_text_encoder(encoder, tmp_path / "kept")
    numbers = build_tokenizer(as_kept(encoder, tmp_path / "kept"))(["other rain"]).input_ids
    assert numbers[0, :4].tolist() == [2, 4, 1, 3]  # start, the word, unknown, end


def test_a_copy_that_is_not_the_same_is_not_kept(tmp_path, monkeypatch, capsys):
    """As of a tokenizer whose class writes other rules than it has read."""
    encoder = settings(save_tiny_encoder(tmp_path / "encoder", WORDS))
    save = huggingface.save_without_weights

    def save_otherwise(name, folder):
        revision = save(name, folder)
        rules = (folder / "tokenizer.json").read_text()
        (folder / "tokenizer.json").write_text(rules.replace('"rain"', '"drizzle"'))
        return revision

    monkeypatch.setattr(huggingface, "save_without_weights", save_otherwise)
    keep_text_encoder(encoder, tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["source.json"]
    assert "keeps no copy" in " ".join(capsys.readouterr().err.split())
    assert as_kept(encoder, tmp_path / "kept") == encoder


def test_content_decides_and_not_its_place(tmp_path):
    before = settings(save_tiny_encoder(tmp_path / "before", WORDS))
    build_tokenizer(before)(SENTENCES)  # leaves its padding in no copy
    keep_text_encoder(before, tmp_path / "kept")
    shutil.copytree(tmp_path / "before", tmp_path / "same")
    others = {
        "same": {"encoder"},
        save_tiny_encoder(tmp_path / "words", [*WORDS[:2], "moon"]).name: set(),
        save_tiny_encoder(tmp_path / "sizes", WORDS, hidden=8).name: set(),
        "absent": set(),
    }
    for has_original in (True, False):
        found = {
            name: moved_settings(before, settings(tmp_path / name), tmp_path / "kept")
            for name in others
        }
        assert found == others
        if has_original:
            shutil.rmtree(tmp_path / "before")


def test_a_run_without_a_copy_is_compared_by_its_encoders_name(tmp_path):
    before = settings(save_tiny_encoder(tmp_path / "before", WORDS))
    shutil.copytree(tmp_path / "before", tmp_path / "same")
    assert moved_settings(before, settings(tmp_path / "same"), tmp_path / "kept") == {"encoder"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Puts an encoder of some words on the hub, as a machine that has downloaded it sees it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--some--encoder"

    def publish(commit, words):
        save_tiny_encoder(repository / "snapshots" / commit, words)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(commit)

    return publish


def test_a_hub_name_has_one_revision_which_is_written(hub, tmp_path):
    hub("a" * 40, WORDS)
    named = settings("some/encoder")
    tokenizer = build_tokenizer(named)
    hub("b" * 40, ["changed", "meanwhile"])
    keep_text_encoder(named, tmp_path / "kept")
    expected = {"encoder": "some/encoder", "weights": None, "revision": "a" * 40, "sha256": None}
    assert source(tmp_path / "kept") == expected
    copy = build_tokenizer(as_kept(named, tmp_path / "kept"))
    assert torch.equal(copy(SENTENCES).input_ids, tokenizer(SENTENCES).input_ids)
    assert build_text_encoder(named, 4).network.config.vocab_size == 4 + len(WORDS)


def test_of_clip_the_source_is_written_and_no_file_copied(tmp_path):
    file = tmp_path / "clip.safetensors"
    save_file({"a": torch.ones(2)}, file)
    before = settings("clip", weights=str(file))
    keep_text_encoder(before, tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["source.json"]
    assert source(tmp_path / "kept")["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert as_kept(before, tmp_path / "kept") == before
    now = settings("clip", weights=str(shutil.copy(file, tmp_path / "copy.safetensors")))
    assert moved_settings(before, now, tmp_path / "kept") == {"weights"}
    save_file({"a": torch.zeros(2)}, tmp_path / "copy.safetensors")
    assert moved_settings(before, now, tmp_path / "kept") == set()
    assert moved_settings(before, settings("minilm"), tmp_path / "kept") == set()
