"""Options that several commands of ``seds-search`` share."""

from pathlib import Path
from typing import Annotated

import typer

from train.evaluation import Normalisation

EXIT_CODES = "Exit codes: 0 done, 2 usage, 1 anything else."

Index = Annotated[Path, typer.Argument(help="Index: a folder that seds-search build made.")]
Indexes = Annotated[
    list[Path], typer.Argument(help="Index; several of one model are searched together.")
]
Count = Annotated[int, typer.Option("-k", min=1, max=1000, help="Hits.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", help="COLUMN=VALUE; one column several times: any of them; several: all."
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="Certainly the best of all, not candidates.")]
Normalise = Annotated[
    Normalisation | None,
    typer.Option(
        help="Ranks without hubs, by what is near to everything in training.", show_default="no"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, no table.")]
VideoFile = Annotated[
    Path | None,
    typer.Option("--video", help="Video file that asks; stage one runs on it as on the index's."),
]
Like = Annotated[
    str | None, typer.Option("--like", metavar="ID", help="Video of the index that asks.")
]
Start = Annotated[
    float | None, typer.Option(min=0, help="Second of the video at which the part begins.")
]
End = Annotated[float | None, typer.Option(min=0, help="Second at which it ends.")]
Run = Annotated[Path | None, typer.Option(help="Where the index's run lies now, if it was moved.")]
