from extract.run.hours import disk
from extract.run.sample import Counts
from extract.settings import ExtractSettings, RgbSettings

COUNTS = Counts(videos=1, frames=1000, timeline_frames=300, clips=64)


def test_rows_times_their_bytes():
    found = disk(COUNTS, 5, ExtractSettings())
    assert found.raw == 5
    assert found.pose_store == 300 * (133 * 3 * 4 + 1 + 4 * 4 + 4)
    assert found.rgb_store == 64 * (1024 * 4 + 4 + 4)


def test_settings_decide_how_large_a_row_is():
    rgb = RgbSettings(backbone="mvit_v2_s", store_dtype="float16", frames="hands")
    found = disk(COUNTS, None, ExtractSettings(rgb=rgb))
    assert found.raw is None
    assert found.rgb_store == 64 * (768 * 2 + 4 + 4 + 16 * 4)


def test_it_is_what_a_store_holds(tmp_path):
    """The bytes of rows that were made."""
    import numpy as np

    rows = {
        "features": np.zeros((64, 1024), np.float32),
        "first_frame": np.zeros(64, np.int32),
        "frame_step": np.zeros(64, np.int32),
    }
    in_memory = sum(array.nbytes for array in rows.values())
    assert disk(COUNTS, None, ExtractSettings()).rgb_store == in_memory
