"""The frame of a page: one file of HTML with its own style, which needs nothing else.

There is no script: a page reads the same in a mail program, on paper and in fifty years.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from search.report.markup import Content, Markup, element, joined
from seds_core.files import write_whole

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --surface: #ffffff; --ink: #1d2433; --quiet: #596273; --line: #dde1e8;
  --first: #3056c9; --second: #b4540a; --third: #17754d; --fourth: #8a3b8f; --heat: #3056c9;
  --cold: #b4540a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12151c; --surface: #1a1f29; --ink: #e8ebf2; --quiet: #a6b0c2; --line: #343c4b;
    --first: #8fb0ff; --second: #f0a45d; --third: #6fcf9f; --fourth: #d79adb; --heat: #4f78ee;
    --cold: #b4601c;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif }
header, main, footer { max-width: 68rem; margin-inline: auto;
  padding-inline: clamp(1rem, 4vw, 2rem) }
header { padding-block: 2.5rem 1rem } main { padding-block-end: 2rem }
footer { padding-block: 1rem 3rem; color: var(--quiet); font-size: .875rem }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 2.75rem 0 .75rem; padding-block-start: 1rem;
  border-block-start: 1px solid var(--line) }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .5rem } h4 { font-size: 1rem; margin: 1.25rem 0 .4rem }
p, ul, ol, dl { margin: .5rem 0 } a { color: var(--first) }
:focus-visible { outline: 3px solid var(--first); outline-offset: 2px }
.lead, figcaption, caption, .quiet { color: var(--quiet) }
.lead { font-size: 1.05rem; max-width: 48rem } p { max-width: 48rem }
bdi, code, h1, h2, h3, h4 { overflow-wrap: anywhere }
th bdi, td bdi, td { overflow-wrap: break-word } th, td { max-width: 24rem }
code { font: .9em ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", monospace }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem }
.scroll { overflow-x: auto; max-width: 100%; margin-block: .5rem 1rem }
figure .scroll { margin-block: 0 }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
caption { text-align: start; padding-block-end: .4rem; font-size: .875rem }
th, td { padding: .3rem .8rem; text-align: start; vertical-align: top;
  border-block-end: 1px solid var(--line) }
th { font-weight: 600 } thead th { border-block-end-width: 2px; vertical-align: bottom }
td.n, th.n { text-align: end; white-space: nowrap } tr.quiet td, tr.quiet th { font-weight: 400 }
figure { margin: 1rem 0 1.5rem } figcaption { font-size: .875rem; margin-block-start: .4rem;
  max-width: 48rem }
svg { display: block; max-width: 100%; height: auto; overflow: visible }
svg text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  unicode-bidi: isolate }
svg text.quiet { fill: var(--quiet) } svg text.small { font-size: 10.5px }
svg .axis { stroke: var(--line); stroke-width: 1 }
svg .whisker { stroke: var(--ink); stroke-width: 1.5 }
svg .first { fill: var(--first) } svg .second { fill: var(--second) }
svg .third { fill: var(--third) } svg .fourth { fill: var(--fourth) }
svg .heat { fill: var(--heat) } svg .cold { fill: var(--cold) }
svg .cell { fill: none; stroke: var(--line); stroke-width: .5 }
svg path.line { fill: none; stroke-width: 2; stroke-linejoin: round }
svg path.first { stroke: var(--first) } svg path.second { stroke: var(--second) }
svg path.third { stroke: var(--third) } svg path.fourth { stroke: var(--fourth) }
details { margin: .4rem 0 } summary { cursor: pointer; color: var(--quiet); font-size: .875rem }
.stills { list-style: none; padding: 0; margin: .5rem 0; display: grid; gap: .35rem;
  grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)) }
.stills img { display: block; width: 100%; border-radius: 4px; background: var(--line) }
.stills span { font-size: .75rem; color: var(--quiet) }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.25rem; margin: 1rem 0 } .card > :first-child { margin-block-start: 0 }
.pair { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)) }
.maps { display: flex; flex-wrap: wrap; gap: 0 2rem } .maps figure { max-width: 100% }
.interval { display: block; color: var(--quiet); font-size: .85em }
.beside { display: grid; gap: .5rem 1.5rem; grid-template-columns: minmax(0, 15rem) minmax(0, 1fr) }
.beside video { width: 100%; border-radius: 6px; background: var(--line) }
@media (max-width: 40rem) { .beside { grid-template-columns: minmax(0, 1fr) } }
.problem { border-inline-start: 4px solid var(--second); padding-inline-start: .75rem }
dl.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem }
dl.facts dt { color: var(--quiet) } dl.facts dd { margin: 0 }
.score { font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums }
@media print {
  :root { --paper: #fff; --surface: #fff; --ink: #000; --quiet: #444; --line: #bbb;
    --first: #24439c; --second: #9a4607; --third: #125c3c; --fourth: #70306f; --heat: #3056c9 }
  body { font-size: 10pt } nav { display: none }
  header, main, footer { max-width: none; padding: 0 }
  figure, tr { break-inside: avoid } h2, h3, h4 { break-after: avoid }
  table { font-size: 8.5pt } th, td { padding: .15rem .45rem } details:not([open]) { display: none }
  .scroll { overflow: visible } * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
"""


def write_page(
    path: Path,
    title: str,
    *sections: Content,
    heading: Content = None,
    lead: Content = None,
    contents: Sequence[tuple[str, str]] = (),
) -> None:
    """Writes a page as a whole, over an earlier one.

    ``heading`` is the title with markup, ``contents`` are the ids and names of its sections. Makes
    the folder; raises ``OSError`` where the file cannot be written.
    """
    links = [element("li", element("a", name, href=f"#{key}")) for key, name in contents]
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            # Nothing may be fetched or run, whatever a text on the page might hold.
            element(
                "meta",
                http_equiv="Content-Security-Policy",
                content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                "media-src data:",
            ),
            element("title", title),
            element("style", Markup(STYLE)),
        ),
        element(
            "body",
            element(
                "header",
                element("h1", heading or title),
                element("p", lead, class_="lead") if lead else None,
                element("nav", element("ul", *links), aria_label="Contents") if links else None,
            ),
            element("main", *sections),
            element("footer", element("p", "Made by SEDS. This file needs no other one.")),
        ),
        lang="en",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"<!doctype html>\n{page}\n".encode(), durable=False)


def section(key: str, name: str, *children: Content) -> Markup:
    """Returns a part of the page that has a name, and an id to link to."""
    heading = element("h2", name, id=f"{key}-name")
    return element("section", heading, *children, id=key, aria_labelledby=f"{key}-name")


def figure(drawing: Markup, caption: Content, table: Markup | None = None) -> Markup:
    """Returns a drawing with its caption and, folded away, its values as a table."""
    values = element("details", element("summary", "The values as a table"), table)
    return element(
        "figure",
        element("div", drawing, class_="scroll"),
        element("figcaption", caption),
        values if table else None,
    )


def table(
    caption: Content,
    columns: Sequence[str],
    rows: Iterable[Sequence[Content]],
    *,
    numeric: Iterable[int] = (),
    quiet: Iterable[int] = (),
) -> Markup:
    """Returns a table, of which each row's first cell is its heading.

    ``numeric`` are the columns that are aligned by their digits, ``quiet`` the rows that stand
    back.
    """
    right, back = frozenset(numeric), frozenset(quiet)
    kinds = ["n" if column in right else None for column in range(len(columns))]
    heads = [
        element("th", name, scope="col", class_=kind)
        for name, kind in zip(columns, kinds, strict=True)
    ]
    lines = []
    for position, row in enumerate(rows):
        first, *others = row
        cells = [element("th", first, scope="row", class_=kinds[0])]
        cells += [
            element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True)
        ]
        lines.append(element("tr", *cells, class_="quiet" if position in back else None))
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *heads)),
            element("tbody", *lines),
        ),
        class_="scroll",
    )


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Returns names and values; empty values are left out."""
    items = [joined(element("dt", name), element("dd", value)) for name, value in pairs if value]
    return element("dl", *items, class_="facts")


def problem(text: Content) -> Markup:
    """Returns a sentence about what could not be shown."""
    return element("p", text, class_="problem")
