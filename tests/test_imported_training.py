"""Keypoints that went out and in again train as those that were extracted."""

from published_folders import export_store, import_folder
from run_comparison import losses
from small_training import change_settings, prepare_folder, small_request

from reference.small_stores import SIZE
from train.training.run import train


def test_an_imported_store_trains_like_the_one_it_came_from(tmp_path):
    """Video c is longer than its timeline; frames after the last row are not in the pickle, so that
    its length is another one and it is left out of the comparison."""
    folder = prepare_folder(tmp_path)
    index = folder / "index.csv"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(line for line in lines if not line.startswith("c,")))
    change_settings(folder, "epochs: 4", "epochs: 1")
    assert export_store(folder / "pose.zarr", folder / "RTMpose") == 0
    imported = folder / "again" / "pose.zarr"
    imported.parent.mkdir()
    source = folder / "RTMpose"
    assert import_folder("published-keypoints", source, imported, image_size=SIZE) == 0

    for name, pose in (("extracted", folder / "pose.zarr"), ("imported", imported)):
        assert train(**small_request(folder, name, pose=pose)) == 0
    runs = folder / "runs"
    assert losses(runs / "imported") == losses(runs / "extracted")
    assert len(losses(runs / "imported")) == 2
