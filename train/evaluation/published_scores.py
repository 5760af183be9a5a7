"""The retrieval scores that papers report on the three data sets, with their sources.

Papers score the best epoch *on the test set*, and count ties as
:mod:`train.evaluation.published_ranks` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DataSet = Literal["phoenix-2014t", "csl-daily", "how2sign"]
"""Named as the pipelines and as the rules for hands are."""


@dataclass(frozen=True)
class Scores:
    """R@k in percent; ``None`` where no paper tells it."""

    t2v_r1: float
    v2t_r1: float
    t2v_r5: float | None = None
    t2v_r10: float | None = None


@dataclass(frozen=True)
class PublishedSystem:
    """One system with its scores on the three test sets."""

    name: str
    source: str
    """The paper, with its arXiv number."""
    stream: str
    """Which of our streams does the same: ``fusion``, ``pose`` or ``rgb``; ``""`` for none."""
    scores: Mapping[DataSet, Scores]


@dataclass(frozen=True)
class PublishedTestSet:
    """Size of the test set that the published scores are on."""

    videos: int
    entries: int
    """Lines of the published caption files: the text queries."""


_CICO = "CiCo, CVPR 2023, arXiv 2303.12793"
_SEDS = "SEDS, ACM MM 2024, arXiv 2407.16394"
_C2RL = "C2RL, TCSVT 2025, arXiv 2408.09949"

PUBLISHED_SYSTEMS: tuple[PublishedSystem, ...] = (
    PublishedSystem("CiCo", _CICO, "", {
        "phoenix-2014t": Scores(69.5, 70.2, 86.6, 92.1),
        "csl-daily": Scores(75.3, 74.7, 88.2, 91.9),
        "how2sign": Scores(56.6, 51.6, 69.9, 74.7),
    }),
    PublishedSystem("SEDS pose only", _SEDS, "pose", {
        "phoenix-2014t": Scores(65.0, 65.3),
        "csl-daily": Scores(80.5, 80.0),
        "how2sign": Scores(55.9, 50.9),
    }),
    PublishedSystem("SEDS RGB only", _SEDS, "rgb", {
        "phoenix-2014t": Scores(70.4, 70.1),
        "csl-daily": Scores(75.4, 73.5),
        "how2sign": Scores(54.3, 48.3),
    }),
    PublishedSystem("SEDS fusion (paper)", _SEDS, "fusion", {
        "phoenix-2014t": Scores(76.8, 78.7, 91.7, 95.3),
        "csl-daily": Scores(85.8, 85.4, 94.4, 95.6),
        "how2sign": Scores(62.5, 57.9, 75.1, 80.1),
    }),
    PublishedSystem("SEDS released weights, re-run by others", f"weights of {_SEDS}", "", {
        "phoenix-2014t": Scores(75.4, 76.3),
        "csl-daily": Scores(84.5, 84.0),
        "how2sign": Scores(61.7, 57.0),
    }),
    PublishedSystem("C2RL", _C2RL, "", {
        "phoenix-2014t": Scores(78.7, 77.6),
        "csl-daily": Scores(90.3, 88.4),
        "how2sign": Scores(62.4, 57.5),
    }),
)  # fmt: skip
"""In the order of a table."""

TEST_SETS: Mapping[DataSet, PublishedTestSet] = {
    "phoenix-2014t": PublishedTestSet(videos=642, entries=642),
    "csl-daily": PublishedTestSet(videos=1_176, entries=798),
    "how2sign": PublishedTestSet(videos=2_342, entries=1_964),
}
"""The published test sets."""
