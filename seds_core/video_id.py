"""One spelling for the id of a video, wherever it is read: a file, an index, a store, a command."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator


def video_id_of(text: str) -> str:
    r"""The id that a text names, in Unicode's composed form.

    A Mac writes the names of files decomposed, spreadsheets write them composed, and both look the
    same. Bytes of a file's name that are no text become escapes.

    >>> video_id_of("u\u0308ben") == "\u00fcben"
    True
    >>> video_id_of("hallo-\udcfc")
    'hallo-\\xfc'
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def is_text(name: str) -> bool:
    """Whether the name of a file is text: names are bytes, which need not be UTF-8."""
    return name.isascii() or name == name.encode("utf-8", "ignore").decode("utf-8")


_MAX_NAME_BYTES = 120
"""Of a file that is called after a video: file systems allow 255, and endings come behind."""


def file_name_of(video_id: str) -> str:
    """A name for a file of a video, in one folder, whatever the id holds.

    Letters, digits and a few signs stay, slashes become underscores. An id that had to be changed
    otherwise, or shortened, has a part of its checksum behind, which tells it from others.

    >>> file_name_of("signer1/hallo"), file_name_of("..")
    ('signer1_hallo', '__-e6fc5bb9')
    """
    plain = video_id.replace("/", "_")
    safe = re.sub(r"[^\w .+=@,()\[\]-]", "_", plain).encode("utf-8", "replace")[:_MAX_NAME_BYTES]
    name = safe.decode("utf-8", "ignore")
    if not name.strip("."):
        name = "_" * len(name)
    if name == plain and name:
        return name
    checksum = hashlib.blake2b(video_id.encode("utf-8", "surrogatepass"), digest_size=4)
    return f"{name}-{checksum.hexdigest()}"


# Letters of other scripts that are drawn as Latin ones, as far as names of files commonly hold
# them: Cyrillic and Greek (Unicode Technical Standard 39, confusables).
_DRAWN_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u0261\u04bb"
    "\u03bf\u03b1\u03bd\u03c1\u03b9\u0131",
    "aeopcyxijsdghoavpii",
)


def look_alikes(video_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of different ids that nobody can tell apart by looking.

    Compatible forms, letters of other scripts, and characters that are not drawn are compared.
    Ids of ASCII alone are taken to be told apart.

    >>> list(look_alikes(["hallo", "h\u0430llo", "tag"]))
    [('hallo', 'h\u0430llo')]
    """
    drawn = defaultdict(list)
    ids = list(video_ids)
    if all(map(str.isascii, ids)):
        return
    for video_id in ids:
        drawn[video_id if video_id.isascii() else _as_drawn(video_id)].append(video_id)
    for first, *others in drawn.values():
        yield from ((first, other) for other in others)


def _as_drawn(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).translate(_DRAWN_ALIKE)
    # Zero-width characters and marks of direction.
    return "".join(char for char in compatible if unicodedata.category(char) != "Cf")
