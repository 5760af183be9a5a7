"""What one row of a store costs on this machine: the measured numbers that plans are made from."""

from dataclasses import dataclass

from extract.planning.gpus import Arithmetic
from seds_core.store.layout import StoreKind


@dataclass(frozen=True)
class Work:
    """What one network does for one row: a clip of the RGB store, a frame of the pose store."""

    name: str
    seconds: float
    """In all, on this machine."""
    host_seconds: float
    """Of these, what remains on the CPU beside any GPU: crops, and points from heatmaps."""
    operations: float
    """Multiplications and additions of the network, counted by PyTorch; 0 for one that does not
    run in PyTorch, and so on no GPU."""
    arithmetic: Arithmetic
    """In which a GPU does them under the pipeline's ``precision``."""
    reduced: Arithmetic
    """In which a GPU does them under ``precision: float16``."""
    matrix_rate: float
    """Operations a second of this machine when it multiplies large matrices."""

    @property
    def share_of_matrix_rate(self) -> float:
        """How well the network uses the machine: its operations a second over the matrix rate."""
        seconds = self.seconds - self.host_seconds
        return self.operations / seconds / self.matrix_rate if seconds > 0 else 0.0


@dataclass(frozen=True)
class StreamWork:
    """Everything that a stream does, a row and a frame at a time."""

    kind: StoreKind
    works: tuple[Work, ...]
    decode_seconds: float
    """Of one process for one frame of a video, whether it is on the timeline or not."""

    @property
    def rows_a_second(self) -> float:
        """Of the networks on this machine, if frames are there."""
        return 1 / sum(work.seconds for work in self.works)

    @property
    def frames_decoded_a_second(self) -> float:
        """By one process."""
        return 1 / self.decode_seconds
