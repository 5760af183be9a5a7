"""The formats that ``captions``, ``import`` and ``export`` know, by the names of their options.

Nothing heavy is imported here: the command line lists these names before any command runs.
"""

from typing import Literal

# Whose caption files they are: the publication's, a data set's own, or a table of the user's.
Release = Literal["published", "phoenix-2014t", "csl-daily", "how2sign", "table"]

ImportFormatName = Literal[
    "published-features", "published-keypoints", "npy", "pose", "openpose", "coco-wholebody"
]

# One pickle a video, as the publication has them, or one ``.pose`` file.
ExportFormat = Literal["published", "pose"]
