"""Which of the people in view is the signer: one person for a whole video.

Files list the people of a frame in any order, so that people are followed by where they are. The
signer is the person who was found with the most confidence, summed over all frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64

# Frames after which a person who was not seen is not looked for any more.
REMEMBERED_FRAMES = 50


@dataclass(frozen=True)
class Sighting:
    """Where a person is in a frame."""

    centre: Float64[np.ndarray, " coordinate=2"]
    """Mean of the points, weighted by confidence; NaN where nothing was found."""
    size: float
    """The longer side of the box around the points."""
    confidence: float
    """Sum over the points; 0 where nothing was found."""

    @classmethod
    def of(cls, points: Float32[np.ndarray, "joint coordinate=3"]) -> "Sighting":
        """The person with these points: x, y, confidence."""
        found = points[points[:, 2] > 0].astype(np.float64)
        if not len(found):
            return cls(np.full(2, np.nan), 0.0, 0.0)
        positions, weights = found[:, :2], found[:, 2]
        size = np.ptp(positions, axis=0).max()
        return cls(weights @ positions / weights.sum(), float(size), float(weights.sum()))


def find_signer(frames: Mapping[int, Sequence[Sighting]]) -> dict[int, int]:
    """The signer's index among the people of each frame (by number) that shows the signer.

    The sighting that is nearest to where a person was seen last, and not further away than that
    person is large, is the same person. After a gap or a cut, the signer is the surest of those
    who are never seen beside the signer.

    >>> left, right = (Sighting(np.array([x, 0.0]), 50.0, 60.0) for x in (100.0, 500.0))
    >>> find_signer({0: [left, right], 1: [right, left], 2: [right]})
    {0: 1, 1: 0, 2: 0}
    """
    people: list[_Person] = []
    # Those of them who were seen lately enough to be looked for.
    recent: list[_Person] = []
    for frame in sorted(frames):
        recent = [p for p in recent if frame - p.last_frame <= REMEMBERED_FRAMES]
        known = dict(_matches(recent, frames[frame]))
        for index, sighting in enumerate(frames[frame]):
            person = known.get(index)
            if person is None:
                person = _Person(sighting, frame)
                people.append(person)
                recent.append(person)
            person.last, person.last_frame = sighting, frame
            person.confidence += sighting.confidence
            person.indices[frame] = index
    # The surest is the signer, and so is the next one where the frames of both do not overlap.
    signer: dict[int, int] = {}
    for person in sorted(people, key=lambda person: -person.confidence):
        if signer.keys().isdisjoint(person.indices):
            signer |= person.indices
    return signer


def count_people(sightings: Sequence[Sighting]) -> int:
    """People of whom anything was found."""
    return sum(sighting.confidence > 0 for sighting in sightings)


@dataclass
class _Person:
    """A person who is followed from frame to frame."""

    last: Sighting
    last_frame: int
    confidence: float = 0.0
    indices: dict[int, int] = field(default_factory=dict)
    """Frame -> index among its people."""


def _matches(
    people: Sequence[_Person], sightings: Sequence[Sighting]
) -> Iterator[tuple[int, _Person]]:
    """Indices of sightings, and who is seen there; the nearest pairs first."""
    pairs = []
    for number, person in enumerate(people):
        for index, sighting in enumerate(sightings):
            distance = float(np.linalg.norm(person.last.centre - sighting.centre))
            if distance <= max(person.last.size, sighting.size):  # never where either is NaN
                pairs.append((distance, number, index))
    # A person is seen at most once in a frame, and a sighting is of at most one person.
    free_people, free_sightings = set(range(len(people))), set(range(len(sightings)))
    for _, number, index in sorted(pairs):
        if number in free_people and index in free_sightings:
            free_people.remove(number)
            free_sightings.remove(index)
            yield index, people[number]
