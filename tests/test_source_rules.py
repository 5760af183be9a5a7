"""Rules for the source text that no linter knows."""

import ast
import re

import pytest
from shared_data import REPOSITORY

from seds_core.axes import AXES

PACKAGES = ("seds_core", "extract", "train", "search")
SOURCES = sorted(p for package in PACKAGES for p in (REPOSITORY / package).rglob("*.py"))
ARRAY_TYPES = re.compile(r"^(Float|Int|UInt|Bool|Num|Shaped)\d*$")


def names(paths):
    return [path.relative_to(REPOSITORY).as_posix() for path in paths]


def test_files_can_be_seen_at_once():
    too_long = [p for p in SOURCES if len(p.read_text().splitlines()) > 450]
    assert names(too_long) == []


def test_functions_can_be_seen_at_once():
    too_long = [
        f"{path.name}:{node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and num_lines(path, node) > 60
    ]
    assert too_long == []


def num_lines(path, function):
    """Lines of a function; of a command without its options, which are a list for its --help."""
    is_command = path.name.endswith("cli.py") and function.decorator_list
    first = function.body[0].lineno if is_command else function.lineno
    return function.end_lineno - first


def test_names_of_files_say_what_they_are_about():
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "base.py", "misc.py"}
    assert [p for p in SOURCES if p.name in vague] == []


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("zarr", ["seds_core/store/arrays.py", "seds_core/store/bucket.py"]),
        ("decord", ["extract/videos/decord_frames.py"]),
        ("numcodecs", ["seds_core/store/shard_files.py"]),
        (
            "pose_format",
            [
                "extract/interchange/export.py",
                "extract/interchange/pose_files.py",
            ],
        ),
        ("mediapipe", ["extract/pose/mediapipe_estimator.py"]),
    ],
)
def test_only_one_file_knows_a_library(module, allowed):
    pattern = re.compile(rf"^\s*(import|from) {module}\b", re.MULTILINE)
    assert names(p for p in SOURCES if pattern.search(p.read_text())) == allowed


def test_axis_names_come_from_the_glossary():
    unknown = {
        f"{path.name}: {word}"
        for path in SOURCES
        for shape in shapes(ast.parse(path.read_text()))
        for word in axis_words(shape)
        if word not in AXES
    }
    assert unknown == set()


def shapes(tree):
    """The texts of all jaxtyping annotations."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
            continue
        if not ARRAY_TYPES.match(node.value.id) or not isinstance(node.slice, ast.Tuple):
            continue
        yield from (part.value for part in node.slice.elts[1:2] if isinstance(part, ast.Constant))


def axis_words(shape):
    """Axis names in a shape, without sizes and jaxtyping's signs."""
    for word in shape.split():
        name = word.lstrip("*#?").split("=")[0]
        if name and name != "_" and name != "..." and not name.isdigit() and "{" not in name:
            yield name.lstrip("_")
