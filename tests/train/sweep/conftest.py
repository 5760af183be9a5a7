"""A folder with small stores and a sweep of three recipes."""

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from small_sweep import prepare_sweep

    return prepare_sweep(tmp_path_factory.mktemp("sweep"))
