"""Damages stores at random and tries ``info``, ``verify`` and ``repair`` on them.

    python benchmarks/store_damage.py --number 500

Prints what became of the stores, and ends with an error at the first exception that is not told in
a sentence, at the first row that is read but was not written, and at the first damage that
``verify`` does not find or ``repair`` does not mend.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from reference.damaged_stores import check, contents, damage
from reference.small_stores import LENGTHS, POSE, RGB, pose_video, rgb_video, write_store
from reference.stores_made_before import made_before


def main() -> None:
    """Damages new stores and stores of an earlier version in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_outcomes(Path(folder), options.number, options.seed)


def print_outcomes(folder: Path, number: int, seed: int) -> None:
    """One line an outcome, with how often it was met."""
    videos = {"rgb": (RGB, rgb_video), "pose": (POSE, pose_video)}
    stores = [
        write_store(folder / f"{kind}.zarr", provenance, [video(v, n) for v, n in LENGTHS.items()])
        for kind, (provenance, video) in videos.items()
    ]
    old = folder / "old"
    old.mkdir()
    stores += [made_before(old, kind) for kind in videos]
    before = [contents(store) for store in stores]
    outcomes: Counter[str] = Counter()
    for turn in range(number):
        place, choice = turn % len(stores), random.Random(f"{seed} {turn}")
        path = Path(shutil.copytree(stores[place], folder / "damaged" / "s.zarr"))
        what = damage(path, choice)
        try:
            is_covered = place < 2
            outcome = check(path, before[place], is_covered=is_covered)
        except BaseException:
            print(f"store {place}, turn {turn}: {what}")
            raise
        outcomes[f"{'today' if is_covered else 'before'}: {outcome}"] += 1
        shutil.rmtree(folder / "damaged")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")


if __name__ == "__main__":
    main()
