from typing import get_args

from seds_core.hands import lowest_wrist
from train.settings import KeypointSettings


def test_every_rule_of_the_settings_is_known():
    names = get_args(KeypointSettings.model_fields["rules"].annotation)
    limits = {name: lowest_wrist(name, 300) for name in names}
    inf = float("inf")
    assert limits == {"phoenix-2014t": inf, "csl-daily": 250, "how2sign": 250, "custom": inf}
