import os
import sys
from pathlib import Path

import pytest
import typer
from finished_videos import RGB

from extract import cli
from extract.run import command
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.writer import StoreWriter


@pytest.fixture
def call(monkeypatch):
    """Calls the command line with the library replaced; gives its exit code."""

    def call(*arguments, answer=0):
        def extract(kind, store, **options):
            call.options = {"kind": kind, "store": store, **options}
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(command, "extract", extract)
        monkeypatch.setattr(sys, "argv", ["seds-extract", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


def test_options_become_keywords(call):
    code = call(
        "rgb", "--videos", "a", "--out", "s.zarr", "--weights", "bsl5k", "--pipeline", "how2sign"
    )  # fmt: skip
    options = call.options
    assert code == 0
    assert (options["kind"], options["store"], options["videos"]) == (
        "rgb", "s.zarr", ("a",),
    )  # fmt: skip
    assert options["pipeline"] == "how2sign"
    assert options["changes"] == {
        "backbone": None, "weights": "bsl5k", "clips": None, "frames": None,
    }  # fmt: skip
    assert not any(options[name] for name in ("dry_run", "wait", "mix_devices", "profile"))


def test_mediapipe_looks_for_the_signer_itself(call):
    call("pose", "--out", "s.zarr", "--videos", "a", "--detector", "mediapipe")
    assert call.options["changes"]["person_box"] == "whole_frame"


def test_names_that_the_shell_expands_are_all_taken(call):
    call("pose", "--out", "s.zarr", "--videos", "a.mp4", "b.mp4", "c.mp4")
    assert call.options["videos"] == ("a.mp4", "b.mp4", "c.mp4")


def test_show_says_how_to_go_on(call, monkeypatch, capsys):
    monkeypatch.setattr("extract.inspection.pictures.write_pictures", lambda *_, **__: [])
    assert call("show", "s.zarr", "it's [one]") == 0
    shown = capsys.readouterr().out
    quoted = "'it'\"'\"'s [one]'"
    assert f'seds-search explain INDEX {quoted} "a sentence" --html why.html' in shown


def test_names_may_begin_with_a_hyphen(call, monkeypatch):
    call("pose", "--out", "s.zarr", "--videos", "-aBc.mp4", "-v.mp4", "c.mp4")
    assert [str(Path(place)) for place in call.options["videos"]] == ["-aBc.mp4", "-v.mp4", "c.mp4"]
    shown = []
    monkeypatch.setattr(
        "extract.inspection.pictures.write_pictures",
        lambda _, video_id, picture, **__: shown.append((video_id, picture)) or [],
    )
    assert call("show", "s.zarr", "-aBc_0-1-rgb_front", "--video") == 0
    assert shown == [("-aBc_0-1-rgb_front", Path("-aBc_0-1-rgb_front.png"))]
    assert call("show", "s.zarr", "u\u0308ben") == 0
    assert shown[-1][0] == "\u00fcben"
    assert call("pose", "--out", "s.zarr", "--vdieos", "a") == 2
    assert call("show", "s.zarr", "a", "--vdieo") == 2


def test_folders_need_not_have_names_that_are_text(call, tmp_path, capsys):
    store = os.fsdecode(os.fsencode(tmp_path) + b"/\xfc/s.zarr")
    with StoreWriter(Path(store), RGB):
        pass
    assert call("info", store) == 0
    assert "\\udcfc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (3, 3, ""),
        (130, 130, ""),
        (UsageError("no [such] pipeline"), 2, "error: no [such] pipeline"),
        (UnavailableError("no weights"), 1, "error: no weights"),
        (OSError(28, "No space left on device", "/s"), 1, "No space left on device: '/s'"),
    ],
)
def test_exit_codes(call, capsys, answer, code, message):
    assert call("rgb", "--videos", "a", "--out", "s", answer=answer) == code
    assert message in capsys.readouterr().err


def test_a_missing_or_unknown_option_is_a_usage_error(call):
    assert call("rgb", "--videos", "a") == 2
    assert call("rgb", "--videos", "a", "--out", "s", "--clip", "all") == 2


def test_a_setting_as_an_option_is_answered_with_its_place(call, capsys):
    assert call("rgb", "--videos", "a", "--out", "s", "--max-frames", "40") == 2
    assert "extract.frames.max_frames" in capsys.readouterr().err
    assert call("rgb", "--videos", "a", "--out", "s", "--clip", "all") == 2
    assert "--clips" in capsys.readouterr().err  # a slip of an option that there is
    assert call("rgb", "--out", "s", "--videos", "a", "--", "--max-frames") == 0


def test_a_store_that_is_none_is_a_usage_error(call, tmp_path, capsys):
    assert call("info", str(tmp_path)) == 2
    assert "is not a store" in capsys.readouterr().err


def test_the_options_do_not_grow_by_accident():
    """Numbers belong into the pipeline file; the command line says what, where and how."""
    commands = typer.main.get_command(cli.app).commands
    options = {
        name: sorted(parameter.name for parameter in command.params)
        for name, command in commands.items()
    }
    shared = ["as_json", "devices", "dry_run", "index", "more_videos", "out", "pipeline"]
    shared += ["mix_devices", "pipelines", "profile", "videos", "wait"]
    shared += ["log_file", "metrics_port", "part"]
    shared += ["engine", "address", "num_workers", "gpus_per_worker", "cpus_per_worker"]
    assert options == {
        "captions": [
            "as_json", "boxes", "dev_share", "language", "max_tokens", "out", "release", "report",
            "source", "videos",
        ],
        "boxes": [
            "as_json", "device", "index", "margin", "out", "pipeline", "pipelines", "samples",
            "size",
        ],
        "plan": [
            "as_json", "device", "index", "more_videos", "pipeline", "pipelines", "sample",
            "videos",
        ],
        "import": [
            "as_json", "dry_run", "format_name", "fps", "frame_map", "image_size", "index",
            "log_file", "metrics_port", "out", "pipeline", "pipelines", "pose", "source",
        ],
        "export": ["as_json", "form", "out", "overwrite", "store"],
        "rgb": sorted([*shared, "backbone", "weights", "clips", "frames", "pose"]),
        "pose": sorted(
            [*shared, "detector", "model", "checkpoint", "person_box", "person_box_file"]
        ),
        "info": ["as_json", "store"],
        "status": ["as_json", "store", "watch"],
        "verify": ["device", "pose", "sample", "store"],
        "repair": ["dry_run", "store"],
        "compact": ["dry_run", "store"],
        "show": ["also", "out", "store", "video", "video_id"],
        "demo-videos": ["out", "pipeline", "pipelines"],
    }  # fmt: skip


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_a_store_needs_a_name(call, capsys, out):
    assert call("rgb", "--videos", "a", "--out", out) == 2
    assert f"--out {out}" in capsys.readouterr().err
    assert not hasattr(call, "options")


@pytest.mark.parametrize("option", ["dry_run", "wait", "mix_devices", "profile"])
def test_what_is_off_is_asked_for(call, option):
    for command_name in ("pose", "rgb"):
        call(command_name, "--videos", "a", "--out", "s.zarr", f"--{option.replace('_', '-')}")
        assert call.options[option]


def test_help_tells_all_exit_codes(call, capsys):
    for name in ("rgb", "pose"):
        call(name, "--help")
        assert "4 other processes" in " ".join(capsys.readouterr().out.split())
