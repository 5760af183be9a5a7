"""The miniatures of the three releases, made once."""

import pytest
from release_miniatures import make_csl, make_how2sign, make_phoenix


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """A folder with all three releases and the publication's caption files; not to be changed."""
    folder = tmp_path_factory.mktemp("releases")
    for make in (make_phoenix, make_csl, make_how2sign):
        make(folder, num_frames=1)
    return folder
