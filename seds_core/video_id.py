"""One spelling for the id of a video, wherever it is read: a file, an index, a store, a command."""

import unicodedata


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
