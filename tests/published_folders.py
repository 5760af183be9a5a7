"""Folders of published pickles, their import and export, and a program that imports slowly.

``python published_folders.py SOURCE STORE SECONDS`` spends SECONDS on every video, so that tests
can kill it in the middle.
"""

import pickle
import sys
import time
from pathlib import Path

import numpy as np

PIPELINES = """
pipelines:
  hands:
    extract: {rgb: {frames: hands, hand_rules: how2sign}, imports: {image_size: [256, 256]}}
  all: {extract: {imports: {image_size: [256, 256]}}}
  custom: {}
"""


def keypoints(num_frames, seed=0):
    """Random keypoints within 256 x 256 pixels, of all confidences."""
    scale = np.array([256, 256, 1], np.float32)
    return np.random.default_rng(seed).random((num_frames, 133, 3), np.float32) * scale


def image_names(numbers, template="images%04d.png"):
    return [template % number for number in numbers]


def write_pickle(folder, name, value):
    path = folder / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))
    return path


def write_keypoints(folder, name, num_frames, first_number=1):
    """Keypoints of every frame."""
    names = image_names(range(first_number, first_number + num_frames))
    value = {"keypoints": keypoints(num_frames, seed=num_frames), "img_list": names}
    return write_pickle(folder, name, value)


def write_features(folder, name, num_clips, dtype=np.float32, dim=8):
    features = np.random.default_rng(num_clips).normal(size=(num_clips, dim)).astype(dtype)
    return write_pickle(folder, name, {"name": name, "feature": features})


def import_folder(form, source, store, *, pipeline="all", **options):
    """Imports into a store and gives the exit code."""
    from extract.interchange.import_command import run_import

    pipelines = store.with_name("pipelines.yaml")
    pipelines.write_text(PIPELINES)
    return run_import(form, source, store, pipelines=pipelines, pipeline=pipeline, **options)


def export_store(store, out, form="published", **options):
    """Exports a store and gives the exit code."""
    from extract.interchange.export import run_export

    return run_export(store, out, form, **options)


def same_rows(store, other):
    """Whether two stores have the same videos and rows, to the bit."""
    from seds_core.store.reader import StoreReader

    first, second = StoreReader(store), StoreReader(other)
    return first.videos.keys() == second.videos.keys() and all(
        array.tobytes() == second.rows(video_id)[name].tobytes()
        for video_id in first.videos
        for name, array in first.rows(video_id).items()
    )


def main(source, store, seconds):
    from extract.interchange import import_command

    read_video = import_command.read_video

    def slowly(item, read):
        time.sleep(float(seconds))
        return read_video(item, read)

    import_command.read_video = slowly
    return import_folder("published-keypoints", Path(source), Path(store), as_json=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
