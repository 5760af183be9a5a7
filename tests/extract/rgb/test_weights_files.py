from pathlib import Path

import pytest
from torchvision.models import get_model_weights
from torchvision.models.video import MViT_V2_S_Weights, S3D_Weights

from extract.pose.provenance import DETECTOR_ADDRESSES
from extract.rgb.backbones import ARCHITECTURES
from extract.rgb.provenance import FILES, describe_weights


def test_torchvisions_files_are_those_that_it_publishes() -> None:
    published = {"s3d": S3D_Weights, "mvit_v2_s": MViT_V2_S_Weights}
    for backbone, weights in published.items():
        (name,) = FILES[backbone]["kinetics400"].args
        assert weights.KINETICS400_V1.url == f"https://download.pytorch.org/models/{name}"
    for network, name in DETECTOR_ADDRESSES.items():
        url = get_model_weights(network).DEFAULT.url
        assert url == f"https://download.pytorch.org/models/{name}"


def test_every_architecture_names_its_files() -> None:
    for name, architecture in ARCHITECTURES.items():
        assert set(FILES[name]) == set(architecture.weights) - {"random"}


def test_weights_of_a_file_are_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"abc")
    described = describe_weights("i3d", str(path))
    assert described is not None
    assert described.sha256.startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("weights", ["random", "no-such-file.pth"])
def test_what_no_file_tells_is_not_known(weights: str) -> None:
    assert describe_weights("i3d", weights) is None
