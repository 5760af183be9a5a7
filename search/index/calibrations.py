"""What turns the scores of an index into probabilities, as it stands in the index."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from train.evaluation import Normalisation
from train.evaluation.calibration import MatchCalibration
from train.evaluation.ranks import Direction

CALIBRATIONS = "calibrations"
"""The fact of an index that holds them."""

Calibrations = Mapping[Direction, Mapping[Normalisation | None, MatchCalibration]]
"""By direction, and by what is taken off the scores."""


def calibrations_json(calibrations: Calibrations) -> str:
    """Returns them as text."""
    return json.dumps(
        {
            direction: {how or "": asdict(fitted) for how, fitted in of.items()}
            for direction, of in calibrations.items()
        }
    )


def calibrations_from_json(text: str) -> Calibrations:
    """Reads what :func:`calibrations_json` wrote."""
    return {
        direction: {how or None: MatchCalibration(**values) for how, values in of.items()}
        for direction, of in json.loads(text).items()
    }
