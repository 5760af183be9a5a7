"""The pieces that every drawing is made of: a picture, its labels, lines and legend."""

from collections.abc import Sequence

from search.report.markup import Content, Markup, Number, element, number

COLOURS = ("first", "second", "third", "fourth")
"""Classes of the style, in the order of a drawing's series."""

WIDTH = 640
ROW = 24
"""Height of a row of bars or cells."""
LETTER_WIDTH = 6.9
"""Pixels that a letter takes, about."""


def drawing(width: Number, height: Number, description: str, parts: Sequence[Content]) -> Markup:
    """Returns a picture of its parts; ``description`` is for those who do not see it."""
    return element(
        "svg", *parts, viewBox=f"0 0 {number(width)} {number(height)}", width=width, height=height,
        role="img", aria_label=description,
    )  # fmt: skip


def label(
    x: Number,
    y: Number,
    text: str,
    *,
    anchor: str | None = None,
    quiet: bool = False,
    small: bool = False,
) -> Markup:
    """Returns a line of text at its baseline; ``anchor`` is ``middle`` or ``end``."""
    kinds = " ".join(name for name, is_so in (("quiet", quiet), ("small", small)) if is_so)
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kinds or None)


def axis_line(x1: Number, y1: Number, x2: Number, y2: Number) -> Markup:
    """Returns a thin line that stands back."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="axis")


def legend(names: Sequence[str], y: Number) -> list[Markup]:
    """Returns the series side by side, each with its colour."""
    parts, x = [], 48.0
    for position, name in enumerate(names):
        colour = COLOURS[position % len(COLOURS)]
        hollow = 0.85 if position < len(COLOURS) else 0.4
        parts.append(
            element(
                "rect", x=x, y=y - 9, width=10, height=10, rx=2, class_=colour, fill_opacity=hollow
            )
        )
        parts.append(label(x + 15, y, shortened(name, 220), small=True))
        x += 34 + LETTER_WIDTH * min(len(name), 34)
    return parts


def shortened(text: str, room: Number) -> str:
    """Cuts a label off where its room ends; the table below the drawing has all of it."""
    letters = max(3, int((room - 8) / LETTER_WIDTH))
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
