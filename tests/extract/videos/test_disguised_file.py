import pytest

from extract.videos.container import disguise

CONTENTS = {
    b"\x89PNG\r\n\x1a\n....": "PNG picture",
    b"\xff\xd8\xff\xe0..JFIF": "JPEG picture",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ": "WebP picture",
    b"\0\0\0\x1cftypavif\0\0": "AVIF or HEIC picture",
    b"\0\0\0\x18ftypisom\0\0\x02\0": "moov",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "Git LFS pointer",
    b"\n<!DOCTYPE html><html>": "web page",
    b"<HTML><body>404": "web page",
    b"PK\x03\x04\x14\0": "ZIP archive",
    b"%PDF-1.7": "PDF",
    b"name,text\nvideo1,hello\n": "text",
    "手语视频\n".encode() * 2000: "text",
    bytes(500): "zeros",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_says_what_a_file_looks_like(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    assert CONTENTS[content] in disguise(path)


def test_says_nothing_about_bytes_that_say_nothing(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(1, 256)))
    assert disguise(path) is None
