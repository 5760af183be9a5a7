"""The table of faults names a test for each, which exists and is not skipped everywhere."""

import ast
import re

import pytest
from shared_data import REPOSITORY

TABLES = [REPOSITORY / "docs" / "faults.md", REPOSITORY / "DESIGN.md"]
ROW = re.compile(r"^\| (?P<fault>[^|]+) \| (?P<seen>[^|]+) \| `?(?P<test>tests/[^|`]+)`? \|$", re.M)


def rows():
    return [found for page in TABLES for found in ROW.finditer(page.read_text(encoding="utf-8"))]


def test_there_are_many_and_no_fault_is_told_twice():
    faults = [row["fault"] for row in rows()]
    assert len(faults) >= 30
    assert len(set(faults)) == len(faults)


@pytest.mark.parametrize("test", sorted({row["test"].strip() for row in rows()}))
def test_the_test_that_injects_it_exists(test):
    path, _, name = test.partition("::")
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    [function] = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == name]
    marks = [ast.unparse(mark) for mark in function.decorator_list]
    assert not any("skip" in mark or "xfail" in mark for mark in marks)
