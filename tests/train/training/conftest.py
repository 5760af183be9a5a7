import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Sums depend on the number of threads, and small ones are slower with many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """A folder with a data set, and in it the run ``whole``, which nothing has interrupted."""
    from small_training import prepare_folder, small_request

    from train.training.run import train

    folder = prepare_folder(tmp_path_factory.mktemp("whole"))
    assert train(**small_request(folder, "whole")) == 0
    return folder


@pytest.fixture
def small_folder(tmp_path):
    """A folder with a data set of its own."""
    from small_training import prepare_folder

    return prepare_folder(tmp_path)
