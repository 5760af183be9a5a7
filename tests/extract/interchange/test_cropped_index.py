import pytest

from extract.interchange.signer_boxes import write_cropped_index
from extract.videos.part import Crop

INDEX = (
    "\ufeffvideo_id,signer,path,crop,text\n"
    'a,1,videos/a.mp4,,"Hello, you"\n'
    'b,2,videos/b.mp4,"1,2,3,4",\n'
    "c,3,/far/c.mp4,,ünï\n"
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text(INDEX, encoding="utf-8")
    return path


def test_only_crops_and_sizes_are_filled_in(source, tmp_path):
    target = tmp_path / "cropped.csv"
    write_cropped_index(source, target, {"a": Crop(10, 0, 700, 700)}, 256)
    assert target.read_text(encoding="utf-8").splitlines() == [
        "video_id,signer,path,crop,text,size",
        'a,1,videos/a.mp4,"10,0,700,700","Hello, you",256x256',
        'b,2,videos/b.mp4,"1,2,3,4",,',
        "c,3,/far/c.mp4,,ünï,",
    ]
    assert source.read_text(encoding="utf-8") == INDEX


def test_may_replace_the_index_and_keeps_sizes(source):
    write_cropped_index(source, source, {"a": Crop(0, 0, 9, 9)}, 256)
    write_cropped_index(source, source, {"a": Crop(1, 1, 8, 8)}, 64)
    assert 'a,1,videos/a.mp4,"1,1,8,8","Hello, you",256x256' in source.read_text(encoding="utf-8")
    assert list(source.parent.iterdir()) == [source]


def test_paths_stay_right_in_another_folder(source, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "cropped.csv"
    write_cropped_index(source, target, {}, 256)
    paths = [line.split(",")[2] for line in target.read_text(encoding="utf-8").splitlines()[1:]]
    assert paths == [f"{tmp_path}/videos/a.mp4", f"{tmp_path}/videos/b.mp4", "/far/c.mp4"]
