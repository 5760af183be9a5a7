"""What a search answers: typed values that every command, the library and the page share."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from jaxtyping import Float32
from numpy import ndarray


class Span(NamedTuple):
    """A part of a video, in seconds from its beginning."""

    start: float
    end: float


Likelihood = Literal["likely", "possible", "unlikely"]

LIKELY, POSSIBLE = 0.5, 0.1
"""Smallest probabilities of these words."""


def likelihood_of(probability: float | None) -> Likelihood | None:
    """Returns a plain word for the probability of a hit."""
    if probability is None:
        return None
    if probability >= LIKELY:
        return "likely"
    return "possible" if probability >= POSSIBLE else "unlikely"


@dataclass(frozen=True)
class WordMatch:
    """A word of the query, and where in the video it is matched best."""

    word: str
    span: Span
    similarity: float
    """Cosine of the word and the clip, -1 to 1."""


@dataclass(frozen=True)
class Hit:
    """One found video, or the moment of a long recording."""

    rank: int
    """From 1."""
    video_id: str
    """Of the whole video or recording, as in its data set's index."""
    path: Path
    text: str
    """The video's own sentence; empty where it has none."""
    span: Span | None
    """The matched moment of a long recording; ``None`` for a whole video."""
    duration: float | None
    """Seconds of the whole video, where the index knows them."""
    score: float
    """The SEDS score, comparable between the parts of an index and between indexes of one model."""
    matches: tuple[WordMatch, ...]
    """In the order of the query's words; empty for queries that are videos."""
    columns: dict[str, str]
    """Split and all further columns of the data set's index, such as signer."""
    part: str
    """Which part of the index holds it."""
    start: float = 0.0
    """Seconds of the file at which the video begins; moments and words count from there."""
    normalised: float | None = None
    """What it is ranked by, where scores were normalised."""
    probability: float | None = None
    """That it is right, for a sentence; ``None`` where the index cannot tell."""

    @property
    def ranked_by(self) -> float:
        """What hits are ordered by."""
        return self.score if self.normalised is None else self.normalised

    @property
    def likelihood(self) -> Likelihood | None:
        """The probability as a plain word."""
        return likelihood_of(self.probability)

    @property
    def is_gone(self) -> bool:
        """Whether its file has been moved or deleted since the index was built."""
        return not self.path.exists()


@dataclass(frozen=True)
class SentenceHit:
    """A sentence of the index that a video may mean."""

    rank: int
    text: str
    score: float
    video_ids: tuple[str, ...]
    """Videos of the index with this sentence, at most ten."""
    normalised: float | None = None
    """What it is ranked by, where scores were normalised."""
    probability: float | None = None
    """That it is right; ``None`` where the index cannot tell."""

    @property
    def ranked_by(self) -> float:
        """What sentences are ordered by."""
        return self.score if self.normalised is None else self.normalised

    @property
    def likelihood(self) -> Likelihood | None:
        """The probability as a plain word."""
        return likelihood_of(self.probability)


@dataclass(frozen=True)
class Answer(Sequence[Hit]):
    """Hits, best first, and what the user should know of them."""

    hits: tuple[Hit, ...]
    warnings: tuple[str, ...]
    """Such as a word that the text encoder does not know."""
    seconds: float
    """From the query to the hits, without loading."""
    num_searched: int
    """Videos and windows that passed the filters."""
    exact: bool
    """Whether these are certainly the best; otherwise the best of the candidates."""
    none_probability: float | None = None
    """That no video searched is right; ``None`` where the index cannot tell."""

    def to_records(self) -> list[dict[str, Any]]:
        """Returns one flat dictionary a hit, for ``pandas.DataFrame``."""
        return [_flat(hit) for hit in self.hits]

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


def _flat(hit: Hit) -> dict[str, Any]:
    values = asdict(hit)
    columns, span, matches = values.pop("columns"), values.pop("span"), values.pop("matches")
    values["path"] = str(hit.path)
    values["start"], values["end"] = span or (None, None)
    values["words"] = " ".join(match["word"] for match in matches)
    return columns | values


@dataclass(frozen=True)
class Alignment:
    """The similarities of a query's words with a video's clips, for one stream.

    The class token is no clip, and takes part in the score all the same.
    """

    stream: str
    """``fusion``, ``pose`` or ``rgb``."""
    words: tuple[str, ...]
    """Every real position of the sentence: its words or pieces of words, start and end too."""
    clips: tuple[Span, ...]
    similarities: Float32[ndarray, "clip word"]
    """Cosines."""
    score: float
    """What they add up to by equation 15, with the class token: the mean of the two halves."""
    video_to_text: float
    """Equation 13: the mean of what the class token and the clips find in the sentence."""
    text_to_video: float
    """Equation 14: the mean of what the words find in the video."""
    class_token: Float32[ndarray, " word"]
    """Cosines of the class token and each word."""
    of_class_token: float
    """What the class token finds in the sentence: a softmax-weighted mean of its cosines."""
    of_clips: Float32[ndarray, " clip"]
    """What each clip finds in the sentence."""
    of_words: Float32[ndarray, " word"]
    """What each word finds in the video."""
