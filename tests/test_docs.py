"""Every block of the pages that shows a command or Python code runs as it stands."""

import re
import shlex
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "search.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind):
    """The contents of a page's blocks of one kind, in their order."""
    return [text for found, text in BLOCK.findall(PAGE.read_text()) if found == kind]


def commands():
    """The commands that a page shows with their output."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What ``make demo`` leaves, with a few videos of the same names and an untrained model."""
    from reference.small_indexes import small_run
    from reference.small_stores import POSE, RGB, pose_video, rgb_video, write_store

    folder = tmp_path_factory.mktemp("docs")
    demo = folder / "demo"
    (demo / "corpus").mkdir(parents=True)
    sentences = ["tomorrow you will buy a flower", "I read a letter", "my mother sees a school"]
    videos = {
        f"signer{signer:03}_sentence{n:04}_take0": 20 + n for signer in (0, 4) for n in (0, 22, 33)
    }
    lines = ["video_id,split,text,signer,path"]
    lines += [
        f"{video},{'test' if 'signer004' in video else 'train'},{text},signer{video[8]},"
        f"videos/{video}.mp4"
        for video, text in zip(videos, sentences * 2, strict=True)
    ]
    index = demo / "corpus" / "index.csv"
    index.write_text("\n".join(lines) + "\n")
    rgb = write_store(demo / "rgb.zarr", RGB, [rgb_video(v, n) for v, n in videos.items()])
    pose = write_store(demo / "pose.zarr", POSE, [pose_video(v, n) for v, n in videos.items()])
    data = {"index": index, "rgb": rgb, "pose": pose}
    small_run(demo / "runs", name="fusion", data=data)
    return folder


def test_the_page_shows_commands_and_code():
    assert len(commands()) >= 8
    assert len(blocks("python")) == 2


def test_commands_and_code_run_in_the_order_of_the_page(demo, monkeypatch, capsys):
    from search.cli import main

    monkeypatch.chdir(demo)
    for command in commands():
        program, *arguments = shlex.split(command)
        assert program == "seds-search"
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert not ended.value.code, f"{command}\n{shown.err}"
        assert shown.out.strip(), command
    names = {}
    for code in blocks("python"):
        exec(code, names)
    assert "signer004_sentence0000_take0" in capsys.readouterr().out
    assert set(names["table"]["signer"]) == {"signer4"}
