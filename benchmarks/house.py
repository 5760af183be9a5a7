"""Measures the structure of the source tree: sizes, helpers, scaffolding, circles, files on a path.

    python benchmarks/house.py [TREE ...] [--json] [--no-traces]

TREE is a checkout of this project, by default the one that this script stands in; several give one
column each. Source files are the modules of the top packages without ``__init__.py``; functions
are all functions and methods, nested ones too, from ``def`` to their last line.

- A private helper (leading underscore, not dunder) is called once when its file loads its name
  exactly once outside its own definition; passing it as a value counts. Divided by all functions.
- Scaffolding: the lines of all import statements, wherever they stand, and of module docstrings.
- Comment lines hold nothing but a comment; comments behind code are not counted.
- A folder circle is two folders directly below a top package that import each other, within
  functions and for type checking too. Deeper folders count with them; modules that lie directly in
  a top package are left out.
- Files that one video, sample or query passes through: each command runs on a corpus of one or two
  drawn videos, with tiny networks, and is then repeated with nothing left to do: the store is
  finished, the run is trained, the split has no videos. A file is passed when one of its functions
  is called in the first run and not in the second; in brackets, all files with a function that is
  called in the first. Module and class bodies, lambdas, comprehensions, and calls while one of the
  project's modules is imported do not count. A function that start-up calls as well is not counted
  for the video; what the second run can spare, such as loading a network, is.
"""

import argparse
import ast
import io
import json
import statistics
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

from called_files import TRACES, run_traces

TOP_PACKAGES = ("extract", "train", "seds_core", "search")
"""Those of them that a tree has are measured."""

REPOSITORY = Path(__file__).resolve().parents[1]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """One module of a tree."""

    module: str
    """Dotted name."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)

    @property
    def num_lines(self) -> int:
        """All lines."""
        return len(self.text.splitlines())

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @property
    def folder(self) -> str | None:
        """The folder below the top package, such as ``extract.pose``; ``None`` directly in it."""
        parts = self.module.split(".")
        return ".".join(parts[:2]) if len(parts) > 2 else None


def main() -> None:
    """Prints one row a figure and one column a tree, or a JSON object of trees."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trees", metavar="TREE", nargs="*", type=Path, default=[REPOSITORY])
    parser.add_argument("--json", action="store_true", help="Every figure, circle and file.")
    parser.add_argument("--no-traces", action="store_true", help="Only read; run no command.")
    options = parser.parse_args()
    measured = {}
    for tree in options.trees:
        figures = structure(read_sources(tree))
        if not options.no_traces:
            figures["traces"] = run_traces(tree.resolve(), top_packages(tree))
        measured[str(tree)] = figures
    print(json.dumps(measured, indent=2) if options.json else table(measured))


def read_sources(tree: Path) -> list[SourceFile]:
    """The modules of the top packages, without ``__init__.py``."""
    paths = [
        path
        for package in top_packages(tree)
        for path in sorted((tree / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    return [
        SourceFile(
            ".".join(path.relative_to(tree).with_suffix("").parts),
            path.read_text(encoding="utf-8"),
        )
        for path in paths
    ]


def top_packages(tree: Path) -> list[str]:
    """The top packages that a tree has. Raises ``ValueError`` where it has none."""
    found = [package for package in TOP_PACKAGES if (tree / package).is_dir()]
    if not found:
        raise ValueError(f"{tree} has none of the packages {', '.join(TOP_PACKAGES)}")
    return found


def structure(files: Sequence[SourceFile]) -> dict[str, Any]:
    """What can be read from the text."""
    lengths = [file.num_lines for file in files]
    function_lengths = [lines_of(node) for file in files for node in file.functions]
    num_lines = sum(lengths)
    return {
        "files": len(files),
        "lines": num_lines,
        "file_lines": median_and_ninetieth(lengths),
        "functions": len(function_lengths),
        "function_lines": median_and_ninetieth(function_lengths),
        "helpers_called_once": sum(map(num_helpers_called_once, files)) / len(function_lengths),
        "scaffolding": sum(map(num_scaffolding_lines, files)) / num_lines,
        "comments": sum(map(num_comment_lines, files)) / num_lines,
        "circles": folder_circles(files),
    }


def lines_of(node: Function | ast.stmt) -> int:
    """Lines of a statement; decorators are not counted."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def median_and_ninetieth(values: Sequence[int]) -> tuple[float, int]:
    """The median and the 90th percentile: the least value that 90 % of all do not exceed."""
    return statistics.median(values), sorted(values)[ceil(0.9 * len(values)) - 1]


def num_helpers_called_once(file: SourceFile) -> int:
    """Private functions and methods whose name is loaded once outside their own definition."""
    loads = loaded_names(file.tree)
    return sum(
        is_private(node.name) and loads[node.name] - loaded_names(node)[node.name] == 1
        for node in file.functions
    )


def is_private(name: str) -> bool:
    """Whether a name has a leading underscore and is no dunder."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def loaded_names(tree: ast.AST) -> Counter[str]:
    """How often each name is read, as a variable or as an attribute of anything."""
    return Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


def num_scaffolding_lines(file: SourceFile) -> int:
    """Lines of imports and of the module docstring."""
    scaffolding: list[ast.stmt] = [
        node for node in ast.walk(file.tree) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    if ast.get_docstring(file.tree, clean=False) is not None:
        scaffolding.append(file.tree.body[0])
    return sum(map(lines_of, scaffolding))


def num_comment_lines(file: SourceFile) -> int:
    """Lines with a comment and nothing else."""
    tokens = tokenize.generate_tokens(io.StringIO(file.text).readline)
    return sum(
        token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
        for token in tokens
    )


def folder_circles(files: Sequence[SourceFile]) -> list[tuple[str, str]]:
    """Pairs of folders that import each other."""
    folders = sorted({file.folder for file in files if file.folder is not None})
    imports = {
        (file.folder, ".".join(name.split(".")[:2]))
        for file in files
        for name in imported_names(file)
    }
    return [
        (one, other)
        for one, other in combinations(folders, 2)
        if (one, other) in imports and (other, one) in imports
    ]


def imported_names(file: SourceFile) -> Iterator[str]:
    """Dotted names of all that a file imports, relative imports resolved."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = file.module.split(".")[: -node.level] if node.level else []
            origin = [*parents, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)


def table(measured: dict[str, dict[str, Any]]) -> str:
    """One row a figure, one column a tree."""
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("source files", lambda f: f"{f['files']:,}"),
        ("lines", lambda f: f"{f['lines']:,}"),
        ("lines a file, median / 90th percentile", lambda f: pair(f["file_lines"])),
        ("functions", lambda f: f"{f['functions']:,}"),
        ("lines a function, median / 90th percentile", lambda f: pair(f["function_lines"])),
        ("private helpers called once, of functions", lambda f: f"{f['helpers_called_once']:.1%}"),
        ("imports and module docstrings, of lines", lambda f: f"{f['scaffolding']:.1%}"),
        ("comment lines, of lines", lambda f: f"{f['comments']:.1%}"),
        ("folder circles", lambda f: str(len(f["circles"]))),
    ]
    lines = [("structure", *measured), ("---",) * (1 + len(measured))]
    lines += [(title, *map(cell, measured.values())) for title, cell in rows]
    for name, trace in TRACES.items():
        traces = [figures["traces"][name] for figures in measured.values() if "traces" in figures]
        cells = [f"{len(found['passed'])} ({len(found['called'])})" for found in traces]
        if cells:
            lines.append((f"files: {trace.title}", *cells))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pair(values: Sequence[float]) -> str:
    """Median and 90th percentile."""
    return " / ".join(f"{value:g}" for value in values)


if __name__ == "__main__":
    main()
