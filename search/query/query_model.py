"""The model of an index: found in its run, loaded when a query first needs it."""

from pathlib import Path
from threading import Lock

from search.index.identity import IndexIdentity, OtherModelError
from search.index.stage_one import stage_one_of
from search.query.sentence import SentenceEncoder
from search.query.video import VideoEncoder
from seds_core.device import choose_device
from seds_core.errors import UsageError
from seds_core.files import file_sha256
from train.checkpoints.run_folder import RunFolder
from train.evaluation.load_model import RunModel, load_run
from train.precision import use_arithmetic
from train.text.text_encoder import build_tokenizer


class QueryModel:
    """Loads once, whichever thread asks first."""

    def __init__(self, identity: IndexIdentity, index: Path, run: Path | None, device: str) -> None:
        """``run`` replaces the folder that ``index`` remembers.

        A folder that is named is looked at now: raises like :meth:`checkpoint`.
        """
        self._identity = identity
        self._index = index
        self._run = run
        self._device = device
        self._lock = Lock()
        self._loaded: RunModel | None = None
        self._sentences: SentenceEncoder | None = None
        self._videos: VideoEncoder | None = None
        if run is not None:
            self.checkpoint()

    def checkpoint(self) -> Path:
        """Returns the checkpoint that the index was built by.

        Raises ``UsageError`` for a run that is gone, and ``OtherModelError`` for one that holds no
        such checkpoint.
        """
        identity = self._identity
        folder = RunFolder(self._run or identity.run)
        found = [path for path in (folder.best, folder.last) if path.is_file()]
        if not found:
            gone = (
                f"{folder.path} holds no checkpoint of a run: name another folder with --run"
                if self._run
                else f"the run {folder.path}, by whose model the index {self._index} was built, is "
                "gone: name the folder where it is now with --run"
            )
            raise UsageError(gone)
        for path in found:
            if file_sha256(path) == identity.checkpoint_sha256:
                return path
        raise OtherModelError(
            f"the index {self._index} was built by the checkpoint "
            f"{identity.checkpoint_sha256[:12]}, which is none of "
            f"{' and '.join(str(path) for path in found)}: they are of another run, or it was "
            "trained on since. Name the right run with --run, or build the index again"
        )

    def run(self) -> RunModel:
        """Returns the model with its weights, on the device."""
        with self._lock:
            if self._loaded is None:
                found = load_run(self.checkpoint(), choose_device(self._device))
                use_arithmetic(found.settings.arithmetic)
                self._loaded = found
                # Queries of several threads share it: none finds it training.
                self._loaded.model.eval()
            return self._loaded

    def sentences(self) -> SentenceEncoder:
        """Returns what encodes sentences."""
        run = self.run()
        with self._lock:
            if self._sentences is None:
                tokenizer = build_tokenizer(run.text)
                self._sentences = SentenceEncoder(run.model, tokenizer, run.settings)
            return self._sentences

    def videos(self) -> VideoEncoder:
        """Returns what encodes video files."""
        run = self.run()
        with self._lock:
            if self._videos is None:
                self._videos = VideoEncoder(run, stage_one_of(self._identity), self._device)
            return self._videos

    def close(self) -> None:
        """Ends the processes that queries have started."""
        with self._lock:
            if self._videos is not None:
                self._videos.close()
