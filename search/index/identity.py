"""What an index was made by: the model, the stores it learned from, how videos become entries."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.settings import SearchSettings
from seds_core.errors import UsageError
from seds_core.files import file_sha256
from seds_core.store.provenance import Provenance
from train.batches import ClipLayout
from train.checkpoints.run_folder import RunFolder
from train.evaluation import Which
from train.evaluation.load_model import RunModel
from train.settings import KeypointSettings, Stage, TrainSettings


class OtherModelError(UsageError):
    """An index of another model than the one at hand; the message names both."""


@dataclass(frozen=True)
class Windows:
    """How long recordings are cut into searchable windows."""

    length: float
    """Seconds of a window."""
    step: float
    """Seconds from the beginning of one window to that of the next."""

    def __str__(self) -> str:
        return f"{self.length:g} s, every {self.step:g} s"


@dataclass(frozen=True)
class IndexIdentity:
    """Everything that decides the tokens of an index, and what a query must be encoded by."""

    checkpoint_sha256: str
    """Hexadecimal, of the file."""
    run: Path
    """Folder of the run when the index was built; absolute."""
    which: Which
    """Checkpoint of the run."""
    stage: Stage
    """Also the stream whose tokens are kept."""
    settings: TrainSettings
    layout: ClipLayout
    trained_on: dict[str, Any]
    """Path and provenance of the stores of the training run, by kind."""
    search: SearchSettings
    windows: Windows | None = None
    """``None``: every entry is a whole video."""

    @classmethod
    def of_run(
        cls,
        model: RunModel,
        run: Path,
        which: Which,
        *,
        search: SearchSettings,
        windows: Windows | None = None,
    ) -> "IndexIdentity":
        """Returns the identity of an index that is built by the checkpoint of a run."""
        return cls(
            checkpoint_sha256=file_sha256(checkpoint_of(run, which)),
            run=run.absolute(),
            which=which,
            stage=model.stage,
            settings=model.settings,
            layout=model.layout,
            trained_on=model.trained_on,
            search=search,
            windows=windows,
        )

    @property
    def keeps_padding(self) -> bool:
        """Whether all slots of an entry are kept, because padding takes part in the softmax."""
        return self.settings.similarity.padding == "published"

    @property
    def keypoints(self) -> KeypointSettings:
        """The run's settings, with what its stores decided for the model spelled out."""
        settings = self.settings.keypoints
        stores = [
            Provenance.from_attributes(self.trained_on[name]) for name in sorted(self.trained_on)
        ]
        held = [store.timeline.max_frames for store in stores if store.kind == "rgb"]
        if held:
            clips = {"max_clips": self.layout.num_slots, "clip_length": self.layout.clip_length}
            return settings.model_copy(update={"max_frames": held[0], **clips})
        # A store of keypoints alone has no frames beyond its own timeline.
        limits = [settings.max_frames, *(store.timeline.max_frames for store in stores)]
        known = [limit for limit in limits if limit is not None]
        return settings.model_copy(update={"max_frames": min(known, default=None)})

    def differences(self, other: "IndexIdentity") -> list[str]:
        """Returns sentences ``name: this / other`` for what decides which tokens an entry has."""
        sides = [
            {
                "checkpoint": f"{identity.checkpoint_sha256[:12]} ({identity.run})",
                "stage": identity.stage,
                "windows": str(identity.windows or "none"),
            }
            for identity in (self, other)
        ]
        is_same = self.checkpoint_sha256 == other.checkpoint_sha256
        return [
            f"{name}: {ours} / {sides[1][name]}"
            for name, ours in sides[0].items()
            # Where a run lies decides nothing.
            if ours != sides[1][name] and not (name == "checkpoint" and is_same)
        ]

    def refuse_other_model(self, other: "IndexIdentity", ours: Path, theirs: Path) -> None:
        """Raises :class:`OtherModelError` where the indexes cannot answer one query together."""
        if self.checkpoint_sha256 != other.checkpoint_sha256:
            raise OtherModelError(
                f"{ours} and {theirs} are indexes of different models, whose scores cannot be "
                f"compared: {'; '.join(self.differences(other))}. Search them one by one, or build "
                "one of them again with the other's run"
            )

    def to_json(self) -> str:
        """As it stands in the index."""
        values = {
            name: getattr(self, name)
            for name in ("checkpoint_sha256", "which", "stage", "trained_on")
        }
        values |= {
            "run": str(self.run),
            "settings": self.settings.model_dump(mode="json"),
            "layout": asdict(self.layout),
            "search": self.search.model_dump(mode="json"),
            "windows": self.windows and asdict(self.windows),
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "IndexIdentity":
        """Reads what :meth:`to_json` wrote."""
        values = json.loads(text)
        values["run"] = Path(values["run"])
        values["settings"] = TrainSettings.model_validate(values["settings"])
        values["layout"] = ClipLayout(**values["layout"])
        values["search"] = SearchSettings.model_validate(values["search"])
        values["windows"] = values["windows"] and Windows(**values["windows"])
        return cls(**values)


def checkpoint_of(run: Path, which: Which) -> Path:
    """Returns the checkpoint file of a run.

    Raises ``UsageError`` where there is none.
    """
    path = RunFolder(run).checkpoint(which)
    if not path.is_file():
        raise UsageError(
            f"there is no checkpoint {path}: name the folder of a trained run with --run, and "
            "--which last for a run without a best one"
        )
    return path
