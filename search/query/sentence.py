"""A sentence that is looked for: refused, warned of, or encoded as the model's evaluation does."""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from search.engine.ragged_tokens import QueryTokens
from seds_core.errors import UsageError, first_names
from train.evaluation.scoring import encode_text
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.pieces import SentencePieces, word_spans
from train.text.text_encoder import Tokenizer

MAX_CHARACTERS = 10_000
"""Of a sentence; more are not even looked at."""

ENGLISH_ONLY = {"clip": "OpenAI's CLIP", "minilm": "MiniLM"}
"""Text encoders that have seen hardly anything but English."""

SENTENCES_READ = 20_000
"""Of each part of an index, to learn its words."""


class SentenceError(UsageError):
    """A sentence that cannot be looked for; the message says why."""


@dataclass(frozen=True)
class SentenceQuery:
    """An encoded sentence."""

    sentence: str
    tokens: QueryTokens
    pieces: SentencePieces
    warnings: tuple[str, ...]


@dataclass
class IndexVocabulary:
    """The words of an index's sentences, and the scripts that they are written in."""

    words: set[str] = field(default_factory=set)
    scripts: set[str] = field(default_factory=set)
    is_complete: bool = True
    """Whether all sentences are known; a large index is read in part."""

    def learn(self, sentences: Collection[str]) -> None:
        """Adds the words of some sentences."""
        for sentence in sentences:
            words = written_words(sentence)
            self.words.update(word.casefold() for word in words)
            self.scripts.update(script for word in words for script in scripts_of(word))


class SentenceEncoder:
    """Encodes sentences one by one; several threads may ask at once."""

    def __init__(
        self, model: RetrievalModel, tokenizer: Tokenizer, settings: TrainSettings
    ) -> None:
        """The model stays in evaluation mode from here on, so that no thread finds it training."""
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._settings = settings
        # Tokenizers of Hugging Face set how they cut and pad, in one place for all threads.
        self._tokenizing = Lock()

    def __call__(self, sentence: str, vocabulary: IndexVocabulary | None = None) -> SentenceQuery:
        """Encodes a sentence; ``vocabulary`` tells what language the index's sentences are in.

        Raises :class:`SentenceError` for a sentence without a word that the encoder knows.
        """
        readable = readable_sentence(sentence)
        with self._tokenizing:
            batch = self._tokenizer([readable])
            pieces = self._tokenizer.pieces(readable)
        if not pieces.words:
            raise SentenceError(f"'{_short(readable)}' holds no word: type what is signed")
        if len(pieces.unknown) == len(pieces.words):
            raise SentenceError(
                f"the text encoder knows no word of '{_short(readable)}': write the sentence in "
                "the language that the model was trained with"
            )
        settings = self._settings
        text = encode_text(
            self._model,
            batch,
            device=next(self._model.parameters()).device,
            precision=settings.evaluation.precision,
        )
        warnings = list(_warnings(sentence, pieces, settings.text.encoder, vocabulary))
        words, is_real = text.words[0].cpu(), text.word_is_real[0].cpu()
        # Padding stays where it takes part in the softmax.
        if settings.similarity.padding == "masked":
            words, is_real = words[is_real], is_real[is_real]
        return SentenceQuery(readable, QueryTokens(words, is_real), pieces, tuple(warnings))


def readable_sentence(sentence: str) -> str:
    """Returns a sentence without control characters and blanks around it, and not endless.

    Raises :class:`SentenceError` where nothing is left, and for what is no text.

    >>> readable_sentence("  rain\\tin the north\\n")
    'rain in the north'
    """
    if "\0" in sentence:
        raise SentenceError("the sentence holds a NUL byte, and so is no text")
    if not sentence.isascii() and sentence != sentence.encode("utf-8", "ignore").decode("utf-8"):
        raise SentenceError("the sentence is no UTF-8 text")
    printable = "".join(
        " " if unicodedata.category(character) == "Cc" else character
        for character in sentence[:MAX_CHARACTERS]
    )
    if not printable.strip():
        raise SentenceError("the sentence is empty: type what is signed")
    return printable.strip()


def written_words(sentence: str) -> list[str]:
    """Returns the words of a sentence as they are written."""
    return [sentence[start:end] for start, end in word_spans(sentence)]


def scripts_of(word: str) -> set[str]:
    """Returns the scripts of a word's letters, by Unicode's names.

    >>> scripts_of("Straße"), scripts_of("дождь"), scripts_of("2")
    ({'Latin'}, {'Cyrillic'}, set())
    """
    return {
        unicodedata.name(letter, "unknown").split()[0].capitalize()
        for letter in word
        if unicodedata.category(letter)[0] == "L"
    }


def _warnings(
    sentence: str, pieces: SentencePieces, encoder: str, vocabulary: IndexVocabulary | None
) -> Iterator[str]:
    is_endless = len(sentence) > MAX_CHARACTERS
    if pieces.num_cut or is_endless:
        num_words = len(pieces.words)
        total = f"{'more than ' * is_endless}{num_words + pieces.num_cut:,}"
        yield (
            f"the sentence is too long for the text encoder: {num_words} of its {total} words count"
        )
    if pieces.unknown:
        yield (
            f"the text encoder does not know {_quoted(pieces.unknown)}: for it, all unknown words "
            "are the same"
        )
    known = vocabulary or IndexVocabulary()
    foreign = [w for w in pieces.words if scripts_of(w) - {"Latin"} - known.scripts]
    if foreign and encoder in ENGLISH_ONLY:
        scripts = sorted(set().union(*map(scripts_of, foreign)) - {"Latin"} - known.scripts)
        yield (
            f"{_quoted(foreign)} is written in {' and '.join(scripts)} letters, and the text "
            f"encoder, {ENGLISH_ONLY[encoder]}, has learned English: hits will be arbitrary"
        )
    elif (
        known.words
        and known.is_complete
        and not any(word.casefold() in known.words for word in pieces.words)
    ):
        yield (
            f"no sentence of the index has one of the words {_quoted(pieces.words)}: if that is "
            "another language than the index's, hits will be arbitrary"
        )


def _quoted(words: Sequence[str]) -> str:
    return first_names([f"'{word}'" for word in dict.fromkeys(words)], shown=5)


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 60 else f"{sentence[:60]}..."
