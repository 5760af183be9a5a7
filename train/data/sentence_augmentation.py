"""Changes training sentences at random."""

import re

import numpy as np

# Scripts written without blanks between words: Thai, Lao, Burmese and Khmer, Japanese, Chinese.
_WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Vowels and tones that stand above or below the letter before them, or lengthen it.
_MARKS = (
    "\u0e30-\u0e3a\u0e45\u0e47-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
    "\u3099\u309a\u30fc\uff9e\uff9f"
)
# Vowels of Thai and Lao that are written before their letter.
_LEADING = "\u0e40-\u0e44\u0ec0-\u0ec4"
_CHARACTER = re.compile(rf"[{_WITHOUT_BLANKS}]")
_UNIT = re.compile(rf"[{_LEADING}]?[{_WITHOUT_BLANKS}][{_MARKS}]*|[^\W{_WITHOUT_BLANKS}]+")


def swap_two_words(sentence: str, probability: float, generator: np.random.Generator) -> str:
    """The sentence with two of its words, chosen at random, in each other's place.

    Happens with ``probability``; a sentence of fewer than two words stays as it is. Where a
    script has no blanks between words (Chinese, Japanese, Thai), characters are words; numbers
    and words of other scripts among them stay whole, and punctuation stays in its place.
    SEDS (arXiv 2407.16394).
    """
    words = sentence.split()
    if len(words) >= 2:
        places = _two_places(len(words), probability, generator)
        return " ".join(_swapped(words, places)) if places else sentence
    units = list(_UNIT.finditer(sentence)) if _CHARACTER.search(sentence) else []
    places = _two_places(len(units), probability, generator)
    if not places:
        return sentence
    texts = _swapped([unit[0] for unit in units], places)
    ends = [0, *(unit.end() for unit in units)]
    between = [sentence[end : unit.start()] for end, unit in zip(ends, units, strict=False)]
    pieces = zip(between, texts, strict=True)
    return "".join(f"{before}{text}" for before, text in pieces) + sentence[ends[-1] :]


def _two_places(
    count: int, probability: float, generator: np.random.Generator
) -> tuple[int, int] | None:
    if count < 2 or generator.random() >= probability:
        return None
    first, second = generator.choice(count, size=2, replace=False)
    return int(first), int(second)


def _swapped(words: list[str], places: tuple[int, int]) -> list[str]:
    first, second = places
    words[first], words[second] = words[second], words[first]
    return words
