from PIL import Image
from video_files import numbered_frame, numbered_video, read_number

from extract.decoding.frame_source import open_frames


def test_files_and_folders_are_read_alike(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(numbered_frame(number)).save(folder / f"{number}.png")
    file = numbered_video(tmp_path / "v.mp4", 5, fps=30)
    for path, fps in ((folder, 25.0), (file, 30.0)):
        source = open_frames(path, folder_fps=25.0)
        properties = source.properties
        assert (properties.fps, properties.num_frames) == (fps, 5)
        assert (properties.width, properties.height) == (128, 96)
        assert [read_number(frame) for frame in source.frames()] == list(range(5))
