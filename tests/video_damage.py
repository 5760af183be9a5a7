"""Changes video files on disk as accidents, recorders and editors do."""

import struct
from collections.abc import Callable
from pathlib import Path

import av


def cut_off(path: Path, part: float) -> Path:
    """Keeps only the first part of a file's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def blank(path: Path, start: float, num_bytes: int) -> Path:
    """Overwrites bytes with zeros, from a part of the file on."""
    content = bytearray(path.read_bytes())
    begin = int(len(content) * start)
    content[begin : begin + num_bytes] = bytes(num_bytes)
    path.write_bytes(content)
    return path


def show_only(path: Path, first: int, count: int, fps: int) -> Path:
    """Makes the edit list of an MP4 file show ``count`` frames from number ``first`` on."""
    content = bytearray(path.read_bytes())
    movie_scale = struct.unpack_from(">I", content, content.find(b"mvhd") + 16)[0]
    media_scale = struct.unpack_from(">I", content, content.find(b"mdhd") + 16)[0]
    edit = content.find(b"elst") + 12
    start = struct.unpack_from(">i", content, edit + 4)[0] + first * media_scale // fps
    struct.pack_into(">Ii", content, edit, count * movie_scale // fps, start)
    path.write_bytes(content)
    return path


def rename_codec(path: Path, old: bytes, new: bytes) -> Path:
    """Makes a file claim another codec."""
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def claim_frames(path: Path, count: int) -> Path:
    """Makes the header of an AVI file promise ``count`` frames."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.find(b"avih") + 8 + 16, count)
    struct.pack_into("<I", content, content.find(b"strh") + 8 + 32, count)
    path.write_bytes(content)
    return path


def copy_packets(source: Path, target: Path, change: Callable[[int, bytes], bytes | None]) -> Path:
    """Copies a video's packets; ``change`` gets number and content, ``None`` drops the packet."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = (packet for packet in old.demux(video=0) if packet.size)
        for number, packet in enumerate(packets):
            if (content := change(number, bytes(packet))) is None:
                continue
            copy = av.Packet(content)
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, stream
            new.mux(copy)
    return target


def repeat(source: Path, target: Path, times: int) -> Path:
    """Plays a video over and over, without encoding it again."""
    with av.open(str(target), "w") as new:
        stream = None
        for turn in range(times):
            with av.open(str(source)) as old:
                template = old.streams.video[0]
                stream = stream or new.add_stream_from_template(template)
                for packet in old.demux(template):
                    if packet.size:
                        packet.pts += turn * template.duration
                        packet.dts += turn * template.duration
                        packet.stream = stream
                        new.mux(packet)
    return target


def hide_vp8_frame(content: bytes) -> bytes:
    """Makes of a VP8 frame one that is only referred to (RFC 6386, section 9.1)."""
    return bytes((content[0] & ~0x10,)) + content[1:]
