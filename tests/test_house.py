"""What is counted in source text, and in a traced run, on trees of a few small files."""

from textwrap import dedent

import pytest
from called_files import TracedCommands, files_of
from house import folder_circles, median_and_ninetieth, read_sources, structure, table

FILES = {
    "extract/__init__.py": '"""Not counted."""\n',
    "extract/settings.py": "from extract.rgb import stream\n",  # directly in the top package
    "extract/rgb/stream.py": '''\
        """Two lines of
        docstring."""
        import os
        from extract.pose.boxes import (
            boxes,
        )

        # A comment.
        TEXT = """
        # no comment
        """


        class Stream:
            """Not of the module."""

            @property
            def rows(self):  # behind code
                return self._once() + self._twice()

            def _once(self):
                return self._twice()

            def _twice(self):
                return self._twice() and _passed  # a call of itself does not count

            def __dunder(self):
                return 0

            def __len__(self):
                return 0


        def _passed():
            def _nested():
                return boxes

            return os, _nested


        def _never():
            return len(Stream())
    ''',
    "extract/pose/boxes.py": """\
        def boxes():
            # Within the function.
            from ..rgb import stream
            return stream
    """,
    "train/data/reader.py": "import extract.pose.boxes\n",  # nothing imports it
    "tests/test_stream.py": "import extract\n",
}


@pytest.fixture
def sources(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return read_sources(tmp_path)


def test_modules_of_the_top_packages_are_measured(sources):
    assert {file.module for file in sources} == {
        "extract.settings", "extract.rgb.stream", "extract.pose.boxes", "train.data.reader",
    }  # fmt: skip


def test_figures_are_those_counted_by_hand(sources):
    figures = structure(sources)
    num_lines = 1 + 42 + 4 + 1
    assert (figures["files"], figures["lines"]) == (4, num_lines)
    assert figures["file_lines"] == (2.5, 42)
    # rows, _once, _twice, __dunder, __len__, _passed, _nested, _never; boxes
    assert figures["functions"] == 9
    assert figures["function_lines"] == (2, 5)
    # _once, _passed and _nested; _twice has two other callers, __dunder and _never have none
    assert figures["helpers_called_once"] == pytest.approx(3 / 9)
    assert figures["scaffolding"] == pytest.approx((1 + 2 + 1 + 3 + 1 + 1) / num_lines)
    assert figures["comments"] == pytest.approx(2 / num_lines)


def test_folders_that_import_each_other_are_a_circle(sources):
    assert folder_circles(sources) == [("extract.pose", "extract.rgb")]


def test_one_file_in_ten_may_exceed_the_ninetieth_percentile():
    assert median_and_ninetieth([*range(1, 10), 1000]) == (5.5, 9)


def test_every_tree_has_a_column(sources):
    figures = structure(sources)
    lines = table({"before": figures, "after": figures}).splitlines()
    assert lines[0] == "| structure | before | after |"
    assert "| folder circles | 1 | 1 |" in lines
    assert {line.count("|") for line in lines} == {4}


def test_a_folder_without_the_packages_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none of the packages"):
        read_sources(tmp_path)


PROGRAM = {
    "pyproject.toml": '[project.scripts]\nprogram = "extract.cli:main"\n',
    "extract/__init__.py": "",  # another tree may be installed
    "extract/cli.py": """\
        import multiprocessing
        import sys

        from extract import at_import
        from extract.worker import work

        class Body:
            pass

        def main():
            process = multiprocessing.get_context("spawn").Process(target=work)
            process.start()
            process.join()
            return int(sys.argv[1])
    """,
    "extract/worker.py": """\
        import os
        import threading

        def work():
            from extract import in_thread
            thread = threading.Thread(target=in_thread.run)
            thread.start()
            thread.join()
            os.kill(os.getpid(), 9)
    """,
    "extract/in_thread.py": "def run():\n    return 1\n",
    "extract/at_import.py": "def made():\n    return [n for n in (1, 2)]\n\nMADE = made()\n",
}


def test_calls_are_noted_in_killed_processes_and_in_threads_and_not_while_importing(tmp_path):
    tree, folder = tmp_path / "tree", tmp_path / "folder"
    folder.mkdir()
    for name, text in PROGRAM.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    commands = TracedCommands(tree, ["extract"], folder)
    called = commands.called_functions("program 0")
    assert called == {"extract/cli.py:10", "extract/worker.py:4", "extract/in_thread.py:1"}
    assert files_of(called) == ["extract/cli.py", "extract/in_thread.py", "extract/worker.py"]
    with pytest.raises(RuntimeError, match="program 3: code 3"):
        commands.called_functions("program 3")
