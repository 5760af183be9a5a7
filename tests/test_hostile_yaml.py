"""YAML is data wherever it is read: it makes no objects, and grows no further than its file."""

import ast
import time

import pytest
from shared_data import REPOSITORY

from extract.settings import ExtractSettings
from seds_core.pipeline_file import PipelineError, read_section

SOURCES = [
    path
    for folder in ("seds_core", "extract", "train", "search", "benchmarks", "reference")
    for path in (REPOSITORY / folder).rglob("*.py")
]

UNSAFE = {"unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "load_all", "Loader"}
UNSAFE |= {"UnsafeLoader", "FullLoader", "CLoader", "CUnsafeLoader", "CFullLoader"}


def test_nothing_but_the_safe_loader_is_used():
    loads = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute) or ast.unparse(node.value) != "yaml":
                continue
            assert node.attr not in UNSAFE, f"{path}: yaml.{node.attr}"
            if node.attr == "load":
                loads.append(path.name)
    # The one loader of our own is a safe one that refuses equal keys.
    assert loads == ["pipeline_file.py"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine to the power of nine texts."""


@pytest.mark.parametrize(
    "settings",
    [
        "!!python/object/apply:os.system ['touch harmed']",
        "!!python/object/new:subprocess.Popen [['touch', 'harmed']]",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/object:pathlib.Path {}",
        "{run: {decode_workers: !!python/object/apply:os.system ['touch harmed']}}",
    ],
)
def test_a_pipeline_file_makes_no_objects(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pipelines.yaml"
    path.write_text(f"pipelines: {{p: {{extract: {settings}}}}}")
    with pytest.raises(PipelineError, match="could not determine a constructor"):
        read_section(path, "p", "extract", ExtractSettings)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["pipelines.yaml"]


def test_references_to_references_are_refused_in_a_moment(tmp_path):
    path = tmp_path / "pipelines.yaml"
    path.write_text(f"{BOMB}pipelines: {{p: {{extract: {{rgb: *i}}}}}}")
    began = time.process_time()
    with pytest.raises(PipelineError, match=r"rgb: Input should be a valid") as refused:
        read_section(path, "p", "extract", ExtractSettings)
    assert time.process_time() - began < 5
    assert len(str(refused.value)) < 2_000
