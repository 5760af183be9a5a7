from pathlib import Path

import pytest

from seds_core.pipeline_file import PipelineError, Settings, read_section


class Inner(Settings):
    max_frames: int = 300


class Section(Settings):
    frames: Inner = Inner()
    rate: float = 1.0


def read(tmp_path: Path, text: str, pipeline: str = "demo") -> Section:
    path = tmp_path / "pipelines.yaml"
    path.write_text(text)
    return read_section(path, pipeline, "extract", Section)


def test_values_and_defaults(tmp_path):
    section = read(tmp_path, "pipelines: {demo: {extract: {frames: {max_frames: 7}}}}")
    assert section == Section(frames=Inner(max_frames=7), rate=1.0)
    with pytest.raises(ValueError, match="frozen"):
        section.rate = 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pipelines: {demo: {extract: {rats: 1.0}}}", "rats: there is no .* Did you mean 'rate'"),
        ("pipelines: {demo: {extract: {frames: {max_frame: 1}}}}", "Did you mean 'max_frames'"),
        ("pipelines: {demoo: {}}", "no pipeline 'demo'. Did you mean 'demoo'"),
        ("pipelines: {demo: {extract: {rate: fast}}}", "rate: .* 'fast'"),
        ("pipelines: {demo: {extract: {rate: .inf}}}", "rate: .*finite"),
        ("pipelines: {demo: {extract: {rate: .nan}}}", "rate: .*finite"),
        ("pipelines:\n  demo: {}\n  demo: {}\n", "line 3: key 'demo' is given twice"),
        ("pipelines: {demo: [", "not valid YAML"),
        ("pipelines: {demo: {[1]: 2}}", "not valid YAML"),
        ("pipelines: {demo: 2026-13-45}", "not valid YAML"),
        ("[" * 5_000, "not valid YAML"),
        ("- 1", "no key 'pipelines'"),
        ("pipelines: {demo: 3}", "must hold sections"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(PipelineError, match=message):
        read(tmp_path, text)


def test_a_file_that_is_no_utf_8_is_named(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes("pipelines: {größe: 1}".encode("latin-1"))
    with pytest.raises(PipelineError, match=r"p\.yaml is not UTF-8"):
        read_section(path, "demo", "extract", Settings)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PipelineError, match=r"nowhere\.yaml"):
        read_section(tmp_path / "nowhere.yaml", "demo", "extract", Settings)


def test_a_pipeline_may_build_on_another(tmp_path):
    text = """
    pipelines:
      first: {extract: &one {frames: {max_frames: 7}}}
      demo: {extract: {<<: *one, rate: 2.0}}
    """
    settings = read(tmp_path, text)
    assert settings.frames.max_frames == 7
    assert settings.rate == 2.0
