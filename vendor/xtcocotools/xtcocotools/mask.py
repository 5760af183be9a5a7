"""`pycocotools.mask` under the name that mmpose imports."""

from pycocotools.mask import *  # noqa: F403
