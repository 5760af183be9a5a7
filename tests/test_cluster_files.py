"""The page on clusters and its files: every option exists, and each file can be read."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import typer
import yaml

DOCS = Path(__file__).resolve().parents[1] / "docs"
FILES = [DOCS / "cluster.md", *sorted((DOCS / "cluster").iterdir())]


def commands(text):
    """Program, command and options of every call of a program of this project."""
    whole = re.sub(r"\\\n\s*|\n {4}(?=--)", " ", text)
    for line in whole.splitlines():
        if found := re.search(r"\bseds-extract (\w+) (.*--.*)", line):
            yield found[1], re.findall(r"(?<!\S)--[\w-]+", found[2])
        elif found := re.search(r"-m train (.*)", line):
            yield "train", re.findall(r"(?<!\S)--[\w-]+", found[1])


@pytest.fixture(scope="module")
def options():
    from extract.cli import app as extract_app
    from train.cli import app as train_app

    found = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in typer.main.get_command(extract_app).commands.items()
    }
    train = typer.main.get_command(train_app)
    return found | {"train": {option for p in train.params for option in p.opts}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_has_the_options_that_it_is_given(path, options):
    found = list(commands(path.read_text()))
    assert found
    for name, given in found:
        assert given
        assert set(given) <= options[name], name


@pytest.mark.parametrize("path", sorted((DOCS / "cluster").glob("*.sbatch")), ids=lambda p: p.name)
def test_the_shell_understands_the_scripts(path):
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_job_for_kubernetes_gives_its_workers_what_they_ask_for():
    [job] = yaml.safe_load_all((DOCS / "cluster" / "rayjob.yaml").read_text())
    [group] = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    [container] = group["template"]["spec"]["containers"]
    words = job["spec"]["entrypoint"].split()
    asked = dict(pairwise(words))
    assert int(asked["--num-workers"]) == group["maxReplicas"]
    assert asked["--cpus-per-worker"] == container["resources"]["requests"]["cpu"]
    assert asked["--gpus-per-worker"] == container["resources"]["requests"]["nvidia.com/gpu"]
