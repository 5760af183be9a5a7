"""The commands of ``seds-search`` that ask an index."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli_options import (
    EXIT_CODES,
    Count,
    End,
    Exact,
    Filters,
    Index,
    Json,
    Like,
    Normalise,
    Run,
    Start,
    VideoFile,
)
from seds_core.command_line import Device

Asked = Annotated[
    list[str],
    typer.Argument(
        metavar="INDEX|SENTENCE",
        help="Indexes of one model, then the sentence unless --video or --like asks.",
        show_default=False,
    ),
]
VideoId = Annotated[str, typer.Argument(help="Id of a video of the index.")]
Sentence = Annotated[str, typer.Argument(help="What is signed, in quotes.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Page to write, in one file that needs no other.")
]


def add_query_commands(app: typer.Typer) -> None:
    """Adds them to the program."""
    for command in (query, sentences, explain):
        app.command(no_args_is_help=True, epilog=EXIT_CODES)(command)


def query(
    asked: Asked,
    video: VideoFile = None,
    like: Like = None,
    start: Start = None,
    end: End = None,
    k: Count = 10,
    filters: Filters = None,
    exact: Exact = False,
    normalise: Normalise = None,
    html: Html = None,
    as_json: Json = False,
    device: Device = "auto",
    run: Run = None,
) -> None:
    """Finds videos for a sentence, or videos signed like another one.

    A hit names the video, of a long recording the moment, and for a sentence where each word is
    matched best.

    [bold]Examples[/]

    seds-search query index "tomorrow it rains in the north"

    seds-search query index "rain" -k 3 --filter signer=anna --filter signer=ben --exact

    seds-search query index --video recorded.mp4 --start 1.5 --end 4

    seds-search query part1 part2 --like video_17 --json

    seds-search query index "rain" --html hits.html
    """
    from search.query.command import ask
    from search.query.printing import print_answer, print_page

    answer, question = ask(
        asked, video=video, like=like, start=start, end=end, k=k, filters=filters or [],
        exact=exact, normalise=normalise, device=device, run=run,
    )  # fmt: skip
    print_answer(answer, question, as_json=as_json)
    if html is not None:
        from search.report.hits_page import write_hits_page

        write_hits_page(answer, question, html)
        print_page(html)


def sentences(
    index: Index,
    video: VideoFile = None,
    like: Like = None,
    start: Start = None,
    end: End = None,
    k: Count = 10,
    exact: Exact = False,
    normalise: Normalise = None,
    as_json: Json = False,
    device: Device = "auto",
    run: Run = None,
) -> None:
    """Finds the sentences of the index that a video may mean.

    [bold]Examples[/]

    seds-search sentences index --video recorded.mp4

    seds-search sentences index --like video_17 -k 3 --json

    seds-search sentences index --like video_17 --normalise spread
    """
    from search.query.command import ask_sentences
    from search.query.printing import print_sentences

    hits, name = ask_sentences(
        index, video=video, like=like, start=start, end=end, k=k, exact=exact,
        normalise=normalise, device=device, run=run,
    )  # fmt: skip
    print_sentences(hits, name, as_json=as_json)


def explain(
    index: Index,
    video: VideoId,
    sentence: Sentence,
    start: Start = None,
    end: End = None,
    html: Html = None,
    as_json: Json = False,
    device: Device = "auto",
    run: Run = None,
) -> None:
    """Shows which clips of a video each word of a sentence is found in, for each stream.

    Streams beside the one that ranks are shown where the stores of the run are still there. Of a
    long recording, --start and --end say which moment is meant; without them the best one is taken.

    [bold]Examples[/]

    seds-search explain index video_17 "tomorrow it rains"

    seds-search explain index video_17 "tomorrow it rains" --html why.html
    """
    from search.query.command import ask_why
    from search.query.printing import print_alignments, print_page

    alignments, record = ask_why(
        index, video, sentence, start=start, end=end, device=device, run=run
    )
    print_alignments(alignments, record.video_id, sentence, as_json=as_json)
    if html is not None:
        from search.report.explain_page import write_explain_page

        write_explain_page(alignments, record, sentence, html)
        print_page(html)
