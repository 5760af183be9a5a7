"""Stores and runs that earlier versions made; see the scripts ``make_*.py`` beside them."""

import tarfile
from pathlib import Path

STORES = Path(__file__).parents[1] / "tests" / "fixtures" / "made_before"


def unpack(folder: Path, name: str) -> Path:
    """Unpacks an archive into a folder, and gives the folder."""
    with tarfile.open(STORES / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def made_before(folder: Path, kind: str = "rgb") -> Path:
    """A store without checksums of its files: videos a, b, c in two packs, and the failure of d."""
    with tarfile.open(STORES / "stores.tar.xz") as archive:
        own = [member for member in archive if member.name.split("/")[0] == f"{kind}.zarr"]
        archive.extractall(folder, own, filter="data")
    return folder / f"{kind}.zarr"
