"""Command to train the small model: ``python -m extract.demo_pose.train --out DIR``.

Goes on where it was stopped, writes ``demo_wholebody.pth`` beside this file, and prints the median
errors on signers that the training never saw.
"""

import argparse
import os
from pathlib import Path

_FRAMES_OF_THE_FINAL_CHECK = 400


def main() -> None:
    """Trains, keeps the best weights, measures them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and logs")
    out = parser.parse_args().out
    # Threads that wait actively make training ten times slower on a machine that others use too.
    # OpenMP reads this when torch is imported, hence the late imports.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from extract.demo_pose.evaluate import held_out_errors  # noqa: PLC0415
    from extract.demo_pose.model_config import WEIGHTS_PATH  # noqa: PLC0415
    from extract.demo_pose.training_run import keep_best, train  # noqa: PLC0415

    train(out)
    keep_best(out, WEIGHTS_PATH)
    for part, error in held_out_errors(WEIGHTS_PATH, _FRAMES_OF_THE_FINAL_CHECK).items():
        print(f"{part}: {error:.2f} % of the signer's height")  # noqa: T201


if __name__ == "__main__":
    main()
