"""Makes entries for an index by the ten thousand, from the tokens that a run gives its videos.

    python benchmarks/search_tokens.py RUN WORK --entries 100000 --queries 300

An entry is a new video made of real ones: the clips of several videos of the run's data set are put
together and shuffled, until there are as many as the entry is to have (every number from
``--shortest`` to ``--longest`` tokens equally often, the class token among them). Noise is added to
each token, which is then of unit length again. Half of the noise's power lies in random directions,
half in the direction in which two real tokens differ, so that no two entries share a token and the
tokens still lie as those of videos do. A query is what a user would type for one of the entries:
sentences of its videos in random order, 5 to 25 words, through the run's own text encoder.

WORK then holds the tokens (``corpus/tokens.npy``), the queries, and, by exhaustive scoring, every
query's best entries with their scores: the truth that each search is held against. The same options
and seed give the same files; what is there already is not made again.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from measurement import print_conditions
from numpy.lib.format import open_memmap

from search.engine.ragged_tokens import QueryTokens, RaggedTokens, padded
from seds_core.console import track
from train.batches import TextTokens
from train.data.loading import sign_batches
from train.evaluation.load_model import LoadedModel, load_run_model
from train.evaluation.scoring import encode_sentences, encode_videos, score_all_pairs
from train.settings import SimilaritySettings
from train.text.text_encoder import build_tokenizer

CPU = torch.device("cpu")
BLOCK = 2000
"""Entries that are made, or scored, at once."""

DEEP = 100
"""Best entries of a query that are kept."""

MOST_WORDS = 64
"""Slots of a query: 25 words are never cut, whatever they are as tokens."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what is made."""

    run: str
    entries: int
    queries: int
    shortest: int
    longest: int
    noise: float
    """Length of the noise, where the token's own is 1."""
    seed: int


@dataclass(frozen=True)
class RealTokens:
    """The tokens that a run gives its videos, of unit length."""

    class_tokens: Float32[np.ndarray, "video dim"]
    clips: Float32[np.ndarray, "clip dim"]
    """Of all videos, one after the other."""
    first: Int64[np.ndarray, " video"]
    num_clips: Int64[np.ndarray, " video"]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """Entries, what is asked, and the right answers."""

    rows: RaggedTokens
    queries: TextTokens
    sentences: tuple[str, ...]
    similarity: SimilaritySettings
    best: Int64[np.ndarray, "query best"]
    """Entries, best first."""
    scores: Float32[np.ndarray, "query best"]
    texts: tuple[str, ...]
    """Distinct sentences of the real videos, one of which every entry is said to have."""
    text_words: TextTokens

    def query(self, number: int) -> QueryTokens:
        """One query, without padding."""
        is_real = self.queries.word_is_real[number]
        return QueryTokens(self.queries.words[number, is_real], is_real[is_real])


def add_options(
    parser: argparse.ArgumentParser,
    *,
    entries: int,
    queries: int = 300,
    shortest: int = 16,
    longest: int = 64,
) -> None:
    """Adds what all scripts ask for that search such entries."""
    parser.add_argument("run", type=Path, help="trained run, its stores where they were")
    parser.add_argument("work", type=Path, help="folder for everything that is made")
    parser.add_argument("--entries", type=int, default=entries)
    parser.add_argument("--queries", type=int, default=queries)
    parser.add_argument("--shortest", type=int, default=shortest, help="tokens of an entry")
    parser.add_argument("--longest", type=int, default=longest, help="and at most")
    parser.add_argument("--noise", type=float, default=0.5, help="its length; the token's is 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)


def corpus_of(options: argparse.Namespace) -> Corpus:
    """Makes what the options ask for, or opens it where it lies in the work folder."""
    recipe = Recipe(
        str(options.run.resolve()), options.entries, options.queries, options.shortest,
        options.longest, options.noise, options.seed,
    )  # fmt: skip
    work, record = options.work, options.work / "recipe.json"
    work.mkdir(parents=True, exist_ok=True)
    if record.exists() and json.loads(record.read_text()) != asdict(recipe):
        raise SystemExit(f"{work} holds entries of another recipe: name another folder")
    if not (work / "truth.npz").exists():
        record.write_text(json.dumps(asdict(recipe)))
        _make(recipe, work)
    return open_corpus(work)


def open_corpus(work: Path) -> Corpus:
    """Opens what was made; tokens stay on the disk."""
    asked, truth, real = (np.load(work / f"{name}.npz") for name in ("queries", "truth", "texts"))
    similarity = SimilaritySettings(**json.loads(str(asked["similarity"])))
    return Corpus(
        open_rows(work), _words(asked), tuple(asked["sentences"].tolist()), similarity,
        truth["best"], truth["scores"], tuple(real["sentences"].tolist()), _words(real),
    )  # fmt: skip


def _words(saved: Mapping[str, np.ndarray]) -> TextTokens:
    return TextTokens(torch.from_numpy(saved["words"]), torch.from_numpy(saved["word_is_real"]))


def open_rows(work: Path) -> RaggedTokens:
    """The entries' tokens, as a memory map."""
    lengths = np.load(work / "corpus/tokens.doclens.npy")
    tokens = np.load(work / "corpus/tokens.npy", mmap_mode="r")
    first = np.concatenate([[0], np.cumsum(lengths[:-1], dtype=np.int64)])
    return RaggedTokens(tokens, first, lengths, lengths)


def _make(recipe: Recipe, work: Path) -> None:
    loaded = load_run_model(Path(recipe.run) / "best.pt", CPU)
    similarity = loaded.settings.similarity
    if similarity.padding != "masked":
        raise SystemExit("take a run with similarity.padding masked: entries have no slots")
    real = real_tokens(loaded)
    generator = np.random.default_rng(recipe.seed)
    asked_of = np.sort(generator.choice(recipe.entries, recipe.queries, replace=False))
    videos_of = write_entries(recipe, real, work / "corpus", set(asked_of.tolist()))

    sentences = [joined_sentence(real, videos_of[entry], generator) for entry in asked_of.tolist()]
    words = encoded(loaded, sentences, similarity=similarity.model_dump_json())
    np.savez(work / "queries.npz", **words)
    np.savez(work / "texts.npz", **encoded(loaded, list(dict.fromkeys(real.texts))))
    rows, deep = open_rows(work), min(DEEP, recipe.entries)
    best, scores = best_entries(rows, _words(words), similarity, deep)
    np.savez(work / "truth.npz", best=best, scores=scores)


def encoded(loaded: LoadedModel, sentences: list[str], **more: str) -> dict[str, np.ndarray]:
    """Sentences and their words, as they are kept."""
    text = loaded.text.model_copy(update={"max_words": MOST_WORDS})
    found = encode_sentences(loaded.model, build_tokenizer(text), sentences, 50, device=CPU)
    longest = int(found.word_is_real.sum(dim=1).max())
    arrays = {name: np.array(value) for name, value in more.items()}
    return arrays | {
        "words": found.words[:, :longest].numpy(),
        "word_is_real": found.word_is_real[:, :longest].numpy(),
        "sentences": np.array(sentences),
    }


def real_tokens(loaded: LoadedModel) -> RealTokens:
    """Encodes all videos of the run's index that have a sentence."""
    videos = loaded.data.videos
    signs = sign_batches(loaded.data, videos, 16, 0)
    of_videos = [
        row[is_real].numpy()
        for batch in encode_videos(loaded.model, signs, len(videos), device=CPU)
        # Ranked by what ``seds-search`` ranks by: fusion, or the only stream.
        for row, is_real in zip(
            next(iter(batch.streams.values())), batch.token_is_real, strict=True
        )
    ]
    num_clips = np.array([len(tokens) - 1 for tokens in of_videos], np.int64)
    return RealTokens(
        class_tokens=np.stack([tokens[0] for tokens in of_videos]),
        clips=np.concatenate([tokens[1:] for tokens in of_videos]),
        first=np.cumsum(num_clips) - num_clips,
        num_clips=num_clips,
        texts=tuple(video.text for video in videos),
    )


def write_entries(
    recipe: Recipe, real: RealTokens, folder: Path, remembered: set[int]
) -> dict[int, list[int]]:
    """Writes all entries; returns which videos those of ``remembered`` are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    # The lengths are drawn first, so that the file has its size from the beginning.
    lengths = np.random.default_rng([recipe.seed, 1]).integers(
        recipe.shortest, recipe.longest, recipe.entries, dtype=np.int32, endpoint=True
    )
    shape = int(lengths.sum(dtype=np.int64)), real.clips.shape[1]
    tokens = open_memmap(folder / "tokens.npy", mode="w+", dtype=np.float16, shape=shape)
    videos_of: dict[int, list[int]] = {}
    place = 0
    for start in track(range(0, recipe.entries, BLOCK), "blocks of entries"):
        generator = np.random.default_rng([recipe.seed, 2, start])
        clean, rows = [], lengths[start : start + BLOCK]
        for entry, length in enumerate(rows.tolist(), start):
            values, videos = one_entry(real, length, generator)
            clean.append(values)
            if entry in remembered:
                videos_of[entry] = videos
        noisy = with_noise(np.concatenate(clean), real.clips, recipe.noise, generator)
        tokens[place : place + len(noisy)] = noisy
        place += len(noisy)
    tokens.flush()
    # Beside the tokens, under the name by which WARP reads the same file.
    np.save(folder / "tokens.doclens.npy", lengths)
    return videos_of


def one_entry(
    real: RealTokens, length: int, generator: np.random.Generator
) -> tuple[Float32[np.ndarray, "token dim"], list[int]]:
    """A class token and shuffled clips of as many videos as it takes, without noise."""
    videos: list[int] = []
    while (missing := length - 1 - real.num_clips[videos].sum()) > 0:
        videos.append(int(generator.integers(len(real.num_clips))))
    clips = np.concatenate(
        [np.arange(first, first + number) for first, number in _runs(real, videos, missing)]
    )
    generator.shuffle(clips)
    class_token = real.class_tokens[videos].mean(axis=0)
    class_token /= np.linalg.norm(class_token)
    return np.vstack([class_token, real.clips[clips]]), videos


def _runs(real: RealTokens, videos: list[int], missing: int) -> Iterator[tuple[int, int]]:
    """First clip and number of clips; the last video gives only what is needed of it."""
    for place, video in enumerate(videos):
        surplus = -missing if place == len(videos) - 1 else 0
        yield int(real.first[video]), int(real.num_clips[video] - surplus)


def with_noise(
    tokens: Float32[np.ndarray, "token dim"],
    real: Float32[np.ndarray, "clip dim"],
    length: float,
    generator: np.random.Generator,
) -> Float32[np.ndarray, "token dim"]:
    """Adds noise of about this length to each token, and makes it of unit length again."""
    one, other = generator.integers(len(real), size=(2, len(tokens)))
    anywhere = generator.standard_normal(tokens.shape, np.float32)
    for noise in (real[one] - real[other], anywhere):
        noise /= np.linalg.norm(noise, axis=1, keepdims=True) + 1e-6
        tokens += np.float32(length / np.sqrt(2)) * noise
    return tokens / np.linalg.norm(tokens, axis=1, keepdims=True)


def joined_sentence(real: RealTokens, videos: list[int], generator: np.random.Generator) -> str:
    """Sentences of some of the videos, 5 to 25 words."""
    wanted = generator.integers(5, 25, endpoint=True)
    words: list[str] = []
    for video in generator.permutation(videos):
        words += real.texts[video].split()
        if len(words) >= wanted:
            break
    return " ".join(words[:wanted])


def best_entries(
    rows: RaggedTokens, words: TextTokens, similarity: SimilaritySettings, number: int
) -> tuple[Int64[np.ndarray, "query best"], Float32[np.ndarray, "query best"]]:
    """Scores every entry for every query; best first, equal ones in the order of the entries."""
    best = np.zeros((len(words.words), 0), np.int64)
    scores = np.zeros((len(words.words), 0), np.float32)
    for start in range(0, len(rows), BLOCK):
        entries = np.arange(start, min(start + BLOCK, len(rows)))
        signs, is_real = padded(rows, entries)
        block = score_all_pairs(
            signs, words.words, is_real, words.word_is_real, similarity, device=CPU
        ).T
        best = np.hstack([best, np.broadcast_to(entries, block.shape)])
        scores = np.hstack([scores, block])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :number]
        best, scores = np.take_along_axis(best, order, 1), np.take_along_axis(scores, order, 1)
    return best, scores


def describe(corpus: Corpus) -> None:
    """Prints what was made, in numbers that a reader can judge it by."""
    lengths: Int32[np.ndarray, " entry"] = corpus.rows.num_tokens
    words = corpus.queries.word_is_real.sum(dim=1).numpy()
    means = corpus.scores.mean(axis=0)
    print(
        f"{len(lengths):,} entries of {lengths.min()}-{lengths.max()} tokens (mean "
        f"{lengths.mean():.1f}, {corpus.rows.tokens.shape[1]} dimensions); {len(words)} queries of "
        f"{words.min()}-{words.max()} words with start and end (mean {words.mean():.1f}), such as "
        f"{corpus.sentences[0]!r}. Mean scores: 1st {means[0]:.4f}, 10th {means[9]:.4f}, "
        f"{len(means)}th {means[-1]:.4f}\n"
    )


def main() -> None:
    """Makes the files, and says what they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=100_000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    describe(corpus_of(options))


if __name__ == "__main__":
    main()
