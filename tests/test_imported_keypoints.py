"""Published keypoints that were imported give the encoder what the published system gives it."""

import numpy as np
import pytest
from published_folders import image_names, import_folder, write_pickle
from shared_data import golden_path

from seds_core.store.reader import StoreReader
from train.batches import ClipLayout
from train.data.sign_reader import SignReader, StoreRows, locate
from train.settings import KeypointSettings

RULES = {
    "phoenix": "phoenix-2014t",
    "phoenix_long": "phoenix-2014t",
    "csl": "csl-daily",
    "how2sign": "how2sign",
    "how2sign_long": "how2sign",
    "short": "phoenix-2014t",
}


@pytest.mark.golden
@pytest.mark.parametrize("case", RULES)
def test_golden_input_through_an_imported_store(case, tmp_path, capsys):
    with np.load(golden_path("pose_preprocess.npz")) as golden:
        case_arrays = {
            name.removeprefix(f"{case}_"): golden[name]
            for name in golden.files
            if name.startswith(f"{case}_") and not name.startswith(f"{case}_long_")
        }
    keypoints = case_arrays["keypoints"]
    value = {"keypoints": keypoints, "img_list": image_names(range(1, len(keypoints) + 1))}
    write_pickle(tmp_path / "RTMpose", "video", value)
    size = tuple(map(int, case_arrays["size"]))
    store = tmp_path / "pose.zarr"
    options = {"image_size": size, "as_json": True}
    code = import_folder("published-keypoints", tmp_path / "RTMpose", store, **options)
    assert code == 0, capsys.readouterr().out

    rows = StoreRows.of(StoreReader(store))
    settings = KeypointSettings(rules=RULES[case], frames="hands")
    frames = SignReader((), rows, ClipLayout(64, 16, None), settings).read_keypoints(
        locate("video", [rows])
    )
    assert frames.num_frames == len(case_arrays["kept"])
    for part in ("right", "left", "body"):
        np.testing.assert_allclose(getattr(frames, part), case_arrays[part], atol=1e-3, rtol=0)
