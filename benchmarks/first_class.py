"""What the Kinetics head says of the videos in an RGB store: which class comes first.

    python benchmarks/first_class.py stores/rgb.zarr --name "sign language interpreting"

The head is applied to the stored features of every clip, and its scores are averaged over each
video's clips; videos whose first class is NAME are counted, and the commonest first classes listed.
"""

import argparse
from collections import Counter
from pathlib import Path

import torch
from torchvision.models.video import S3D_Weights

from extract.rgb.backbones import load_backbone
from seds_core.store.reader import StoreReader

CLASS_NAMES: list[str] = S3D_Weights.KINETICS400_V1.meta["categories"]
"""The 400 classes of Kinetics-400, in the order that all its networks use."""


def first_classes(store: StoreReader) -> tuple[Counter[str], Counter[str]]:
    """First classes of the mean over the clips, and of the clip that is surest, per video."""
    clips = store.provenance.clips
    if clips.backbone != "i3d" or clips.weights is None:
        raise SystemExit(f"{store.url} was not made by i3d, the network with a known classifier")
    classifier = load_backbone("i3d", clips.weights).network.logits["conv3d"]
    of_mean: Counter[str] = Counter()
    of_any: Counter[str] = Counter()
    for video_id in store.videos:
        features = torch.from_numpy(store.rows(video_id)["features"]).float()
        with torch.inference_mode():
            scores = classifier(features[:, :, None, None, None]).flatten(1).softmax(dim=1)
        of_mean[CLASS_NAMES[int(scores.mean(dim=0).argmax())]] += 1
        for index in set(scores.argmax(dim=1).tolist()):
            of_any[CLASS_NAMES[index]] += 1
    return of_mean, of_any


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--name", default="sign language interpreting")
    arguments = parser.parse_args()
    store = StoreReader(arguments.store)
    of_mean, of_any = first_classes(store)
    print(
        f"'{arguments.name}' comes first in {of_mean[arguments.name]} of {len(store.videos)} videos"
    )
    print(f"and in some clip of {of_any[arguments.name]}")
    for name, count in of_mean.most_common(5):
        print(f"{count:5} {name}")


if __name__ == "__main__":
    main()
