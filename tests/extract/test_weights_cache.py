"""The cache downloads once, keeps only verified files, and says what to do without internet."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from extract.weights_cache import (
    WeightsUnavailable,
    cache_dir,
    cached_download,
    sha256_prefix_in_name,
)
from seds_core.files import file_sha256

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "published.pth"
    path.write_bytes(CONTENT)
    return path


def test_downloads_once_and_then_reads_the_cache(published: Path) -> None:
    first = cached_download(published.as_uri(), "a.pth", len(CONTENT), DIGEST[:8])
    published.unlink()
    assert cached_download(published.as_uri(), "a.pth", len(CONTENT), DIGEST[:8]) == first
    assert first == cache_dir() / "a.pth"
    assert first.read_bytes() == CONTENT
    assert file_sha256(first) == DIGEST
    assert [p.name for p in cache_dir().iterdir()] == ["a.pth"]


def test_unreachable_address_names_the_place_for_a_copy(published: Path) -> None:
    url = published.with_name("missing.pth").as_uri()
    with pytest.raises(WeightsUnavailable) as caught:
        cached_download(url, "a.pth")
    assert url in str(caught.value)
    assert str(cache_dir() / "a.pth") in str(caught.value)
    assert list(cache_dir().iterdir()) == []


@pytest.mark.parametrize("check", [{"expected_bytes": 1}, {"sha256_prefix": "00000000"}])
def test_wrong_content_is_refused_and_not_kept(published: Path, check: dict[str, Any]) -> None:
    with pytest.raises(WeightsUnavailable, match="not the published file"):
        cached_download(published.as_uri(), "a.pth", **check)
    assert list(cache_dir().iterdir()) == []


def test_a_spoilt_copy_in_the_cache_is_refused(published: Path) -> None:
    copy = cached_download(published.as_uri(), "a.pth")
    copy.write_bytes(b"spoilt")
    with pytest.raises(WeightsUnavailable, match="delete it"):
        cached_download(published.as_uri(), "a.pth", sha256_prefix=DIGEST[:8])


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("hrnet_w48_coco_wholebody_384x288_dark-f5726563_20200918.pth", "f5726563"),
        ("fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", "dd69338a"),
        ("rtmw-dw-x-l_simcc-cocktail14_270e-384x288-20231122.pth", None),
        ("plain.pth", None),
    ],
)
def test_checksum_in_published_names(name: str, prefix: str | None) -> None:
    assert sha256_prefix_in_name(name) == prefix
