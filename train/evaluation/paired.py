"""Means over seeds, and paired differences between recipes: intervals and permutation tests.

A recipe is trained with several seeds, and every run answers the same queries: hits form a table of
runs by queries. Both are samples, of the trainings and of the questions that there could have been,
so a mean without its interval over both says little, and two recipes are compared run by run (of
equal seed) and query by query.

The unit of queries is the sentence: with it go the videos that sign it, whose ranks in the other
direction depend on each other. T2V is the mean over sentences, V2T the mean over videos.

- Intervals draw runs and sentences again, independently of each other and with replacement (the
  pigeonhole bootstrap: A. B. Owen, Annals of Applied Statistics 1(2), 2007, pages 386-411), and are
  percentiles, 95 %. They are a little too wide on average where both matter, and too narrow with
  two or three runs: these cannot tell how far a fourth would lie.
- ``p_sentences`` is Fisher's randomisation test with sentences as units (M. Smucker, J. Allan and
  B. Carterette, CIKM 2007): how often the difference is as far from zero when the recipes' answers
  to a sentence change places at random. It is about these trained models and other sentences.
- ``p_seeds`` lets whole runs of equal seed change places, in all ways that there are: it is about
  other trainings and these sentences. ``n`` seeds can reach ``2 / 2**n`` at best.

A claim about other trainings *and* other sentences needs both to be small (R. L. Berger,
Technometrics 24(4), 1982: the larger one counts).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from train.evaluation.metrics import DRAWS_AT_ONCE, NUM_RESAMPLES, PERCENTILES, SEED

Task = Literal["T2V", "V2T", "mean"]
TASKS: tuple[Task, ...] = ("T2V", "V2T", "mean")
"""Both directions, and the mean of both, which selects."""

NUM_PERMUTATIONS = 10_000
MOST_EXACT = 13
"""Units whose signs are tried in all combinations, 8,192 of them; beyond, they are drawn."""


@dataclass(frozen=True)
class HitTable:
    """Hits of the runs of one recipe, or the differences of two recipes' hits."""

    text_to_video: Float[np.ndarray, "run text"]
    """Whether a sentence finds one of its videos; a probability where candidates are tied."""
    video_to_text: Float[np.ndarray, "run text"]
    """Videos of a sentence that find it."""
    videos_of_text: Int64[np.ndarray, " text"]
    """Videos of each sentence."""

    @property
    def num_runs(self) -> int:
        """Runs of the recipe."""
        return len(self.text_to_video)

    def minus(self, other: "HitTable") -> "HitTable":
        """Differences of hits, run by run and sentence by sentence."""
        return HitTable(
            self.text_to_video - other.text_to_video,
            self.video_to_text - other.video_to_text,
            self.videos_of_text,
        )

    def recalls(self) -> dict[Task, list[float]]:
        """Task -> recall of each run, in percent."""
        t2v = 100 * self.text_to_video.mean(axis=1)
        v2t = 100 * self.video_to_text.sum(axis=1) / self.videos_of_text.sum()
        return {"T2V": t2v.tolist(), "V2T": v2t.tolist(), "mean": ((t2v + v2t) / 2).tolist()}


@dataclass(frozen=True)
class Estimate:
    """A mean over runs in percent, or points of a difference, with its interval."""

    mean: float
    low: float
    high: float


def crossed_bootstrap(hits: HitTable, *, seed: int = SEED) -> dict[Task, Estimate]:
    """Task -> mean and interval over runs and sentences; of differences too.

    The draws depend on ``seed`` and the table's size alone, so that equal sizes are drawn alike.
    """
    num_runs, num_texts = hits.text_to_video.shape
    generator = np.random.default_rng(seed)
    means = np.empty((len(TASKS), NUM_RESAMPLES))
    rows = max(1, DRAWS_AT_ONCE // num_texts)
    for start in range(0, NUM_RESAMPLES, rows):
        size = min(rows, NUM_RESAMPLES - start)
        # How often each is drawn: its weight in the sums.
        of_runs = generator.multinomial(num_runs, [1 / num_runs] * num_runs, size) / num_runs
        of_texts = generator.multinomial(num_texts, np.full(num_texts, 1 / num_texts), size)
        t2v = ((of_runs @ hits.text_to_video) * of_texts).sum(axis=1) / num_texts
        v2t = ((of_runs @ hits.video_to_text) * of_texts).sum(axis=1)
        v2t /= of_texts @ hits.videos_of_text
        means[:, start : start + size] = t2v, v2t, (t2v + v2t) / 2
    ends = 100 * np.percentile(means, PERCENTILES, axis=1)
    found = {task: float(np.mean(of_runs)) for task, of_runs in hits.recalls().items()}
    return {
        task: Estimate(found[task], float(low), float(high))
        for task, (low, high) in zip(TASKS, ends.T, strict=True)
    }


def p_sentences(difference: HitTable) -> dict[Task, float]:
    """Task -> two-sided p of Fisher's randomisation test over sentences."""
    t2v = difference.text_to_video.mean(axis=0) / difference.text_to_video.shape[1]
    v2t = difference.video_to_text.mean(axis=0) / difference.videos_of_text.sum()
    parts = {"T2V": t2v, "V2T": v2t, "mean": (t2v + v2t) / 2}
    return {task: sign_flip_p(parts[task]) for task in TASKS}


def p_seeds(difference: HitTable) -> dict[Task, float]:
    """Task -> two-sided p of the same test over runs of equal seed."""
    return {task: sign_flip_p(np.array(of_runs)) for task, of_runs in difference.recalls().items()}


def sign_flip_p(parts: Float[np.ndarray, " unit"], *, seed: int = SEED) -> float:
    """How often a sum is as far from zero when each of its parts has a random sign.

    All combinations of few signs are tried. Of many a sample is drawn, which the combination that
    was found belongs to (B. Phipson and G. K. Smyth, Statistical Applications in Genetics and
    Molecular Biology 9(1), 2010), so that no p is 0.

    >>> sign_flip_p(np.array([3.0, 2.0, 1.0]))
    0.25
    """
    # A part that is zero has no sign: it would only keep few others from being tried in full.
    parts = parts[parts != 0]
    # Sums of the same parts in another order are a little apart.
    bar = abs(parts.sum()) - 1e-9 * np.abs(parts).sum()
    as_far = [np.count_nonzero(np.abs(signs @ parts) >= bar) for signs in _signs(len(parts), seed)]
    if len(parts) <= MOST_EXACT:
        return float(sum(as_far) / 2 ** len(parts))
    return float((1 + sum(as_far)) / (1 + NUM_PERMUTATIONS))


def _signs(count: int, seed: int) -> Iterator[Float[np.ndarray, "_ unit"]]:
    """All combinations of signs, or random ones, in blocks."""
    if count <= MOST_EXACT:
        yield np.array(list(product((1.0, -1.0), repeat=count))).reshape(2**count, count)
        return
    generator = np.random.default_rng(seed)
    rows = max(1, DRAWS_AT_ONCE // count)
    for start in range(0, NUM_PERMUTATIONS, rows):
        size = (min(rows, NUM_PERMUTATIONS - start), count)
        yield generator.integers(0, 2, size=size) * 2.0 - 1.0


def holm(values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, corrected for their number.

    S. Holm, Scandinavian Journal of Statistics 6(2), 1979: the chance that any of them is below a
    level is at most that level where no recipe differs.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(values), 0.0
    for done, place in enumerate(sorted(range(len(values)), key=lambda place: values[place])):
        largest = max(largest, min(1.0, (len(values) - done) * values[place]))
        corrected[place] = largest
    return corrected
