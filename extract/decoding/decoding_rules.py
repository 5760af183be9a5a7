"""The number of the rules by which a file becomes frames, for stores to record.

Two stores whose numbers differ may hold different rows of the same file. Ordinary videos (8-bit
4:2:0, progressive, square pixels, even sides, upright, one video stream) are the same under all
numbers so far.
"""

DECODING_RULES = 2
"""Rules 2; stores that record none were made by rules 1.

- Of several video streams the one that ffmpeg chooses is read, by every decoder.
- Frames are shown as the display matrix says: all four turns, mirrored or not.
- Pixels that are not square are brought to squares by scaling the width.
- Interlaced frames stay woven, both fields in one picture, as stored.
- Whatever is not 8-bit 4:2:0 and progressive, with even sides, is decoded by PyAV alone.
- Parts of recordings are cut by the times at which frames are shown.

Rules 1 took decord for any pixel format, left out mirroring and the shape of pixels, and cut parts
by the mean frame rate.
"""
