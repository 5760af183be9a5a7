"""How far found keypoints are from the true ones of drawn videos.

``python -m extract.demo.pose_error STORE CORPUS`` takes a pose store and the folder of the drawn
corpus that it was extracted from.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from rich.table import Table

from extract.demo.corpus import plan_corpus, read_settings, signed_video
from extract.demo.skeleton import ground_truth, signer_heights
from seds_core.console import results
from seds_core.keypoints import BODY, FACE, LEFT_HAND, RIGHT_HAND
from seds_core.store.reader import StoreReader

PARTS: dict[str, tuple[slice, ...]] = {
    "all": (slice(None),),
    "body": (BODY,),
    "face": (FACE,),
    "hands": (LEFT_HAND, RIGHT_HAND),
}


def median_errors(
    errors: Float64[np.ndarray, "frame keypoint=133"],
    is_visible: Bool[np.ndarray, "frame keypoint=133"],
) -> dict[str, float]:
    """The median error over the visible points of each part; NaN where none is visible."""
    medians = {}
    for part, slices in PARTS.items():
        values = np.concatenate([errors[:, piece][is_visible[:, piece]] for piece in slices])
        medians[part] = float(np.median(values)) if len(values) else float("nan")
    return medians


def store_errors(
    store: StoreReader, corpus: Path
) -> tuple[Float64[np.ndarray, "row keypoint=133"], Bool[np.ndarray, "row keypoint=133"]]:
    """Returns distances from the truth in percent of the signer's height, and where they count.

    They count where the point is visible and a person was found. The signer's height is the
    extent of the person in the picture, from the top of the head to the lowest drawn point.
    """
    errors, counts = [], []
    for planned in plan_corpus(read_settings(corpus)):
        if planned.video_id not in store.videos:
            continue
        posed = signed_video(planned).posed
        # The store may lack frames of a long video; its rows say which frames they are.
        rows = store.rows(planned.video_id)
        truth = ground_truth(posed)[rows["frame"]].astype(np.float64)
        distance = np.linalg.norm(rows["keypoints"][..., :2] - truth[..., :2], axis=-1)
        errors.append(100 * distance / signer_heights(posed)[rows["frame"], None])
        counts.append((truth[..., 2] > 0) & rows["person_found"][:, None])
    return np.concatenate(errors), np.concatenate(counts)


def main() -> None:
    """Prints the median error of every part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="pose store")
    parser.add_argument("corpus", type=Path, help="folder that seds-extract demo-videos wrote")
    arguments = parser.parse_args()
    errors, counts = store_errors(StoreReader(arguments.store), arguments.corpus)
    table = Table("keypoints", "median error, % of the signer's height", title="Against the truth")
    for part, median in median_errors(errors, counts).items():
        table.add_row(part, f"{median:.2f}")
    results.print(table)
    results.print(
        f"{len(errors):,} frames, no person found in {int((~counts.any(axis=1)).sum()):,}"
    )


if __name__ == "__main__":
    main()
