"""Options that several commands of ``seds-extract`` share."""

from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from seds_core.errors import UsageError

EXIT_CODES = (
    "Exit codes: 0 all there, 3 some videos failed, 4 other processes are still at work on some, "
    "2 usage, 1 anything else."
)

Videos = Annotated[
    list[str] | None,
    typer.Option("--videos", help="Folders, files or quoted patterns.", metavar="DIR|FILE|GLOB..."),
]
MoreVideos = Annotated[list[str] | None, typer.Argument(hidden=True, metavar="[VIDEO]...")]
"""What the shell makes of ``--videos *.mp4``: all names but the first are left over."""
Index = Annotated[
    Path | None, typer.Option(help="CSV with columns video_id and path, instead of --videos.")
]


def _store_location(location: str) -> str:
    """The location, if a store and its staging folder beside it can have such names."""
    if PurePath(location).name in ("", ".."):
        example = f"{location.rstrip('/')}/rgb.zarr"
        raise UsageError(f"--out {location}: name the store itself, such as {example}")
    return location


Out = Annotated[
    str,
    typer.Option(
        help="Store to create or to go on with: a path, or s3://bucket/name (gs://, az://).",
        metavar="STORE",
        callback=_store_location,
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option("--part", metavar="I/N", help="Only part I of N of the videos, from 1/N to N/N."),
]
Devices = Annotated[
    str,
    typer.Option(
        "--devices", "--device",
        help="auto, cpu, cuda, cuda:N; cuda:0,cuda:1 or all: a process a GPU; cpu:N: N processes.",
    ),
]  # fmt: skip
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="local: this machine; ray: the machines of a Ray cluster."),
]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster.", show_default="auto: the one this machine is in")
]
NumWorkers = Annotated[
    int | None,
    typer.Option(min=1, help="Ray: workers.", show_default="as many as there is room for"),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(min=0, help="Ray: GPUs of a worker.", show_default="1 where there are any"),
]
CpusPerWorker = Annotated[
    float | None,
    typer.Option(
        min=1, help="Ray: processors of a worker.", show_default="1, and those that decode or read"
    ),
]
MixDevices = Annotated[
    bool,
    typer.Option("--mix-devices", help="Add rows of a GPU to those of a CPU, or the reverse."),
]
Wait = Annotated[
    bool,
    typer.Option("--wait", help="Wait for other processes, and take over what they leave."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]
Profile = Annotated[bool, typer.Option("--profile", help="Say at the end where the time went.")]
LogFile = Annotated[
    Path | None,
    typer.Option(help="The run's log, JSON lines.", show_default="in OUT.logs, beside the store"),
]
MetricsPort = Annotated[
    str | None,
    typer.Option(
        help="Serve /metrics for Prometheus, to this machine alone or by HOST:PORT.",
        metavar="[HOST:]PORT",
    ),
]
Store = Annotated[
    str, typer.Argument(help="A store made by rgb, pose or import: a path, or s3://bucket/name.")
]


class TakesNames(TyperCommand):
    """Takes what begins with one hyphen, as many names of videos do, for a name: no option does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's context
        """Such a name as a path in the present folder."""
        is_name = [arg[:1] == "-" and arg[1:2] not in ("-", "") for arg in args]
        return super().parse_args(
            ctx, [f"./{arg}" if name else arg for arg, name in zip(args, is_name, strict=True)]
        )
