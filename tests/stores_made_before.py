"""Copies of the stores that an earlier version made, which has kept no checksums of files."""

import shutil
from pathlib import Path

STORES = Path(__file__).parent / "fixtures" / "made_before"


def made_before(folder: Path, kind: str = "rgb") -> Path:
    """Three videos a, b, c in two packs, and the failure of d; see ``make_stores.py`` there."""
    return Path(shutil.copytree(STORES / f"{kind}.zarr", folder / f"{kind}.zarr"))
