"""How a command of this project ends: its exit codes, and errors as a sentence."""

import sys
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from seds_core.console import fail
from seds_core.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from seds_core.pipeline_file import Settings


EXIT_ERROR = 1
EXIT_USAGE = 2

PIPELINE_FILE = Path(__file__).resolve().parents[1] / "pipelines.yaml"

PipelineFile = Annotated[
    Path,
    typer.Option("--pipelines", help="Pipeline file.", show_default="the project's pipelines.yaml"),
]
Pipeline = Annotated[str, typer.Option(help="Named pipeline of the pipeline file.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def run(
    app: Callable[[], None],
    section: str = "",
    schema: "Callable[[], type[Settings]] | None" = None,
) -> None:
    """Runs a command line; what the user can mend is told without a trace.

    ``schema`` gives the settings under ``section`` of a pipeline: an option that is one of them is
    refused with the name of its key.
    """
    # Names of files need not be text.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if schema is not None and isinstance(app, typer.Typer):
            _refuse_settings(app, section, schema, sys.argv[1:])
        app()
    except UsageError as error:
        fail(escape(str(error)))
        sys.exit(EXIT_USAGE)
    except (UnavailableError, OSError) as error:  # such as a full disk; it names the file
        fail(escape(str(error)))
        sys.exit(EXIT_ERROR)


def _refuse_settings(
    app: typer.Typer,
    section: str,
    schema: "Callable[[], type[Settings]]",
    arguments: Sequence[str],
) -> None:
    """Raises :class:`UsageError` for an option that is none, and is a setting."""
    # Settings stand in the pipeline file and not on the command line: users of other programs try
    # them as options first.
    known = set(_options(typer.main.get_command(app)))
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for argument in arguments[:end]:
        option = argument.partition("=")[0]
        # An option that exists, or lacks a plural's s, is for the parser to take or refuse.
        if not option.startswith("--") or known & {option, f"{option}s"}:
            continue
        name = option.removeprefix("--").replace("-", "_")
        if settings := [
            setting for setting in _setting_names(schema(), section) if _is_meant(setting, name)
        ]:
            raise UsageError(
                f"{option} is a setting and no option: write it as {' or '.join(settings)} of a "
                f"pipeline in the pipeline file, and choose that one with --pipeline"
            )


def _options(command: object) -> Iterator[str]:
    """The options of a command and of those below it."""
    for parameter in getattr(command, "params", ()):
        yield from (*parameter.opts, *parameter.secondary_opts)
    yield "--help"
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)


def _setting_names(schema: "type[Settings]", setting: str) -> Iterator[str]:
    """Dotted names of all settings and of the groups that they form."""
    from seds_core.pipeline_file import Settings  # noqa: PLC0415 - --help needs no settings

    for name, field in schema.model_fields.items():
        yield f"{setting}.{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from _setting_names(field.annotation, f"{setting}.{name}")


def _is_meant(setting: str, name: str) -> bool:
    """Whether a setting is meant by a name, in the singular too: ``--learning-rate``."""
    return setting.rpartition(".")[2] in (name, f"{name}s")
