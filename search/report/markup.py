"""HTML and SVG elements as text, in which whatever a user wrote stays text."""

import re
import unicodedata
from typing import TypeAlias


class Markup(str):
    """Text that is HTML already. Any other text is escaped where it becomes part of an element."""

    __slots__ = ()


Content: TypeAlias = str | None
"""A child of an element; ``None`` is left out."""
Number: TypeAlias = int | float
Attribute: TypeAlias = str | Number | bool | None
"""``True`` stands alone, ``None`` and ``False`` are left out."""

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "source"})

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the order of those around them; an id may hide its end behind one."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_TO_ESCAPE = re.compile("[&<>\"']")


def element(tag: str, /, *children: Content, **attributes: Attribute) -> Markup:
    """Returns an element. ``class_`` becomes ``class``, ``aria_label`` ``aria-label``.

    >>> element("p", "1 < 2", element("b", "yes"), class_="note")
    '<p class="note">1 &lt; 2<b>yes</b></p>'
    """
    listed = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{listed}>")
    return Markup(f"<{tag}{listed}>{joined(*children)}</{tag}>")


def joined(*children: Content) -> Markup:
    """Puts elements and texts one after the other; texts are escaped."""
    return Markup("".join(escaped(child) for child in children if child is not None))


def escaped(text: str) -> Markup:
    """Returns markup as it is, and any other text so that it is shown as it was written."""
    if isinstance(text, Markup):
        return text
    return Markup(_TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], visible(text)))


def written(text: str) -> Markup:
    """Returns a user's text, whose direction of writing does not reach the text around it."""
    return element("bdi", text)


def visible(text: str) -> str:
    r"""Makes a sign of each character that could not be seen or would reorder others.

    Line breaks and tabs stay. Text that is no Unicode, as names of files may be, becomes escapes.

    >>> visible("a\x00b\u202ec")
    'a␀b⟨U+202E⟩c'
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    if text.isprintable():
        return text
    return "".join(map(_seen, text))


def _seen(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20:  # Unicode has a picture of each.
        return chr(0x2400 + code)
    is_control = unicodedata.category(character) in ("Cc", "Cn")
    return f"⟨U+{code:04X}⟩" if is_control or character in _REORDERING else character


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = number(value) if isinstance(value, int | float) else escaped(value)
    return f' {name}="{text}"'


def number(value: Number) -> str:
    """Writes a coordinate with two decimals at most.

    >>> number(3.14159), number(2.0), number(-0.001)
    ('3.14', '2', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
