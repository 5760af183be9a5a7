import pytest
import torch

from extract.batched_inference import BatchedInference, is_out_of_memory


class Memory:
    """Doubles numbers; holds only so many."""

    def __init__(self, most, error=None):
        self.most = most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.batches = []

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        if len(numbers) > self.most:
            raise self.error
        return [2 * number for number in numbers]


def test_what_fits_goes_through_at_once():
    memory = Memory(8)
    assert BatchedInference(3).run([1, 2, 3, 4], memory) == [2, 4, 6, 8]
    assert memory.batches == [[1, 2, 3], [4]]


def test_what_does_not_fit_is_done_again_in_smaller_batches_and_so_is_all_that_follows():
    memory, inference = Memory(2), BatchedInference(4)
    assert inference.run([1, 2, 3, 4, 5], memory) == [2, 4, 6, 8, 10]
    assert memory.batches == [[1, 2, 3, 4], [1, 2], [3, 4], [5]]
    assert inference.run([6, 7, 8], memory) == [12, 14, 16]
    assert memory.batches[4:] == [[6, 7], [8]]


def test_it_is_said_that_batches_are_smaller(capsys):
    BatchedInference(4).run([1, 2, 3], Memory(2))
    assert "batch of 3: batches have 2" in capsys.readouterr().err


def test_a_single_item_without_memory_is_given_up():
    memory = Memory(0)
    with pytest.raises(torch.OutOfMemoryError):
        BatchedInference(5).run([1, 2, 3], memory)
    assert memory.batches == [[1, 2, 3], [1, 2], [1]]


def test_another_error_is_not_tried_again():
    memory = Memory(0, RuntimeError("an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal"):
        BatchedInference(4).run([1, 2], memory)
    assert memory.batches == [[1, 2]]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: 8 bytes"), True),
        (RuntimeError("an illegal memory access was encountered"), False),
        (ValueError("DefaultCPUAllocator"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) == expected
