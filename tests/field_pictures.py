"""Writes H.264 in field pictures, as AVCHD cameras and broadcasts do: no encoder here makes them.

Each field is a picture of its own: a slice of uncompressed macroblocks (I_PCM, 7.3.5), all of one
grey. ITU-T H.264 (08/2021) names the syntax elements.
"""

from collections.abc import Iterable
from pathlib import Path

_WIDTH, _HEIGHT = 64, 64  # of a frame


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def u(self, value: int, count: int) -> "_Bits":
        self._text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            digits = f"{value + 1:b}"
            self._text += "0" * (len(digits) - 1) + digits
        return self

    def align(self) -> "_Bits":
        self._text += "0" * (-len(self._text) % 8)
        return self

    def samples(self, value: int, count: int) -> "_Bits":
        self._text += f"{value:08b}" * count
        return self

    def unit(self, header: int) -> bytes:
        """A NAL unit with its start code; no emulation can occur in what is written here."""
        self._text += "1"
        self.align()
        payload = int(self._text, 2).to_bytes(len(self._text) // 8, "big")
        assert b"\0\0\0" not in payload
        assert b"\0\0\1" not in payload
        return b"\0\0\0\1" + bytes((header,)) + payload


def _parameter_sets() -> bytes:
    sequence = _Bits().u(77, 8).u(0, 8).u(20, 8).ue(0, 0, 2, 1).u(0, 1)
    sequence.ue(_WIDTH // 16 - 1, _HEIGHT // 32 - 1).u(0, 2).u(1, 1).u(0, 2)
    picture = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(0b100, 3)
    return sequence.unit(0x67) + picture.unit(0x68)


def _field(number: int, grey: int, *, is_bottom: bool) -> bytes:
    is_first = number == 0 and not is_bottom
    bits = _Bits().ue(0, 7, 0).u(number % 16, 4).u(1, 1).u(is_bottom, 1)
    if is_first:
        bits.ue(0).u(0, 2)  # idr_pic_id, no_output_of_prior_pics_flag, long_term_reference_flag
    else:
        bits.u(0, 1)  # adaptive_ref_pic_marking_mode_flag
    bits.ue(0, 1)  # slice_qp_delta, disable_deblocking_filter_idc
    for _ in range(_WIDTH * _HEIGHT // 512):
        bits.ue(25).align().samples(grey, 256).samples(128, 128)
    return bits.unit(0x65 if is_first else 0x61)


def write_field_pictures(path: Path, greys: Iterable[int]) -> Path:
    """Writes a raw H.264 stream of frames of 64x64 pixels, each of one grey from 16 to 235."""
    units = [_parameter_sets()]
    for number, grey in enumerate(greys):
        units += [_field(number, grey, is_bottom=is_bottom) for is_bottom in (False, True)]
    path.write_bytes(b"".join(units))
    return path
