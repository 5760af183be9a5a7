"""The invented language: its signs and its sentences.

A gloss is data: what its hands look like and where they go. Directions are words of the signing
hand's own side: ``out`` points away from the body's middle, ``in`` across it, ``forward`` to the
camera; ``up+in`` is halfway between two. The glosses are inspired by common signs and belong to no
real sign language. In sentences, as in many sign languages, the time comes first and the verb last;
"not" follows the verb.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

Path = Literal["hold", "straight", "arc", "circle", "tap", "shake"]
OtherHand = Literal["rest", "mirror", "base"]

PLACES: dict[str, tuple[str, float, float, float]] = {
    # name: (body part, then out, down, forward from it in shoulder widths)
    "forehead": ("head", 0.16, -0.20, 0.38),
    "temple": ("head", 0.30, -0.10, 0.28),
    "beside_head": ("head", 0.56, -0.06, 0.30),
    "cheek": ("head", 0.24, 0.10, 0.34),
    "mouth": ("head", 0.04, 0.22, 0.42),
    "chin": ("head", 0.04, 0.36, 0.38),
    "over_head": ("head", 0.30, -0.42, 0.30),
    "shoulder": ("chest", 0.52, -0.12, 0.42),
    "far_shoulder": ("chest", -0.42, 0.02, 0.42),
    "heart": ("chest", 0.02, 0.28, 0.36),
    "breast": ("chest", 0.40, 0.34, 0.40),
    "belly": ("chest", 0.12, 0.78, 0.46),
    "front": ("chest", 0.24, 0.46, 0.72),
    "front_high": ("chest", 0.34, 0.06, 0.72),
    "front_far": ("chest", 0.26, 0.22, 1.05),
    "front_low": ("chest", 0.28, 0.82, 0.66),
    "middle": ("chest", 0.02, 0.44, 0.66),
    "middle_low": ("chest", 0.02, 0.70, 0.62),
    "side": ("chest", 0.86, 0.36, 0.48),
    "side_high": ("chest", 0.82, -0.16, 0.48),
    "side_low": ("chest", 0.80, 0.78, 0.42),
}


@dataclass(frozen=True)
class HandForm:
    """A hand's shape (a name of :mod:`.hand_shape`) and where its fingers and palm point."""

    shape: str
    fingers: str
    palm: str


@dataclass(frozen=True)
class Gloss:
    """One sign: the signing hand goes from ``at`` to ``to`` and from form ``start`` to ``end``.

    The other hand rests, mirrors the signing hand, or holds ``base`` at ``base_at``.
    """

    name: str
    at: str
    path: Path
    start: HandForm
    to: str | None = None
    end: HandForm | None = None
    repeats: int = 1
    other: OtherHand = "rest"
    base: HandForm | None = None
    base_at: str = "middle_low"
    mouthings: int = 1


_Form = HandForm
_FLAT_BASE = HandForm("flat", "in+forward", "up")

GLOSSES: tuple[Gloss, ...] = (
    # People
    Gloss("I", "heart", "tap", _Form("point", "in", "back"), repeats=1),
    Gloss("YOU", "front", "straight", _Form("point", "forward+up", "in+down"), "front_far"),
    Gloss("MOTHER", "chin", "tap", _Form("spread", "up+in", "in"), repeats=2, mouthings=2),
    Gloss("FATHER", "forehead", "tap", _Form("spread", "up+in+in", "in+down"),
          repeats=2, mouthings=2),
    Gloss("TEACHER", "beside_head", "straight", _Form("pinch", "up", "in+forward"), "front_high",
          other="mirror", repeats=2, mouthings=2),
    Gloss("FRIEND", "middle", "shake", _Form("hook", "in+up", "down"), repeats=2,
          other="base", base=_Form("hook", "in", "up"), base_at="middle"),
    Gloss("CHILD", "side_low", "tap", _Form("flat", "out+forward", "down"), repeats=2),
    # Things
    Gloss("APPLE", "cheek", "shake", _Form("hook", "up+in", "back+in"), repeats=2,
          end=_Form("hook", "up+in", "down"), mouthings=2),
    Gloss("BOOK", "middle", "hold", _Form("flat", "forward+up", "in"), other="mirror",
          end=_Form("flat", "forward", "up")),
    Gloss("WATER", "mouth", "tap", _Form("three", "up", "in"), repeats=2, mouthings=2),
    Gloss("BREAD", "middle", "straight", _Form("bent", "in", "back"), "middle_low", repeats=2,
          other="base", base=_Form("flat", "in", "back"), base_at="middle_low"),
    Gloss("LETTER", "mouth", "arc", _Form("thumb", "in", "back"), "middle_low",
          other="base", base=_FLAT_BASE, mouthings=2),
    Gloss("FLOWER", "cheek", "arc", _Form("bunch", "up", "back"), "far_shoulder",
          end=_Form("claw", "up", "back"), mouthings=2),
    # Actions
    Gloss("EAT", "mouth", "tap", _Form("bunch", "up+in", "back"), repeats=3),
    Gloss("DRINK", "front_high", "arc", _Form("cup", "in+up", "in"), "mouth",
          end=_Form("cup", "in+forward", "up")),
    Gloss("READ", "front_high", "straight", _Form("vee", "in+down", "down+forward"), "front_low",
          other="base", base=_Form("flat", "up+in", "in+back"), base_at="front"),
    Gloss("WRITE", "far_shoulder", "straight", _Form("pinch", "in+forward", "down"), "belly",
          repeats=2, other="base", base=_FLAT_BASE, base_at="belly"),
    Gloss("BUY", "belly", "arc", _Form("bunch", "in+forward", "up"), "front_far",
          other="base", base=_FLAT_BASE),
    Gloss("WANT", "front_far", "straight", _Form("claw", "forward", "up"), "belly",
          other="mirror", end=_Form("fist", "forward", "up")),
    Gloss("SEE", "temple", "straight", _Form("vee", "up+in", "back"), "front_far",
          end=_Form("vee", "forward+up", "down")),
    Gloss("GIVE", "heart", "arc", _Form("bunch", "forward+in", "up"), "front_far",
          other="mirror", end=_Form("flat", "forward", "up")),
    Gloss("LIKE", "heart", "straight", _Form("spread", "in", "back"), "front_low",
          end=_Form("pinch", "in+forward", "back")),
    Gloss("GO", "breast", "arc", _Form("point", "up", "back"), "front_far", other="mirror",
          end=_Form("point", "forward", "down")),
    # Places and qualities
    Gloss("SCHOOL", "middle", "tap", _Form("flat", "forward+in", "down"), repeats=3,
          other="base", base=_FLAT_BASE),
    Gloss("HOUSE", "over_head", "straight", _Form("flat", "up+in", "down+in"), "side",
          other="mirror", end=_Form("flat", "up", "in")),
    Gloss("GOOD", "chin", "arc", _Form("flat", "up+in", "back"), "front_low",
          end=_Form("flat", "forward+in", "up")),
    Gloss("TIRED", "breast", "straight", _Form("bent", "in", "back"), "belly", other="mirror",
          end=_Form("bent", "in+down", "up+back"), mouthings=2),
    Gloss("HAPPY", "breast", "circle", _Form("flat", "in", "back"), repeats=2, other="mirror",
          mouthings=2),
    # Times
    Gloss("TODAY", "front", "tap", _Form("horns", "up+forward", "up+back"), repeats=2,
          other="mirror", mouthings=2),
    Gloss("TOMORROW", "cheek", "arc", _Form("thumb", "in+up", "in"), "front_high",
          end=_Form("thumb", "forward", "in"), mouthings=3),
    Gloss("YESTERDAY", "cheek", "arc", _Form("horns", "up", "forward"), "side_high",
          end=_Form("horns", "up+back", "forward"), mouthings=3),
    # Negation
    Gloss("NOT", "side_high", "shake", _Form("point", "up", "forward"), repeats=3),
)  # fmt: skip

GLOSS_BY_NAME: dict[str, Gloss] = {gloss.name: gloss for gloss in GLOSSES}


Tense = Literal["present", "past", "future"]


@dataclass(frozen=True)
class Sentence:
    """An English caption and its two to four glosses."""

    text: str
    glosses: tuple[str, ...]


@dataclass(frozen=True)
class _Verb:
    """English forms of a verb, and the objects that it makes sense with."""

    base: str
    third: str
    past: str
    objects: tuple[str, ...] = ()


_SUBJECTS = {
    "I": "I",
    "YOU": "you",
    "MOTHER": "my mother",
    "FATHER": "my father",
    "TEACHER": "the teacher",
    "FRIEND": "my friend",
    "CHILD": "the child",
}

_OBJECTS = {
    "APPLE": "an apple",
    "BOOK": "a book",
    "WATER": "water",
    "BREAD": "bread",
    "LETTER": "a letter",
    "FLOWER": "a flower",
    "HOUSE": "a house",
    "SCHOOL": "a school",
}

_VERBS = {
    "EAT": _Verb("eat", "eats", "ate", ("APPLE", "BREAD")),
    "DRINK": _Verb("drink", "drinks", "drank", ("WATER",)),
    "READ": _Verb("read", "reads", "read", ("BOOK", "LETTER")),
    "WRITE": _Verb("write", "writes", "wrote", ("LETTER", "BOOK")),
    "BUY": _Verb("buy", "buys", "bought", ("APPLE", "BREAD", "BOOK", "FLOWER", "HOUSE")),
    "WANT": _Verb("want", "wants", "wanted", ("APPLE", "WATER", "BOOK", "FLOWER")),
    "SEE": _Verb("see", "sees", "saw", ("HOUSE", "SCHOOL", "FLOWER", "LETTER")),
    "GIVE": _Verb("give", "gives", "gave", ("FLOWER", "BREAD", "LETTER")),
    "LIKE": _Verb("like", "likes", "liked", ("APPLE", "BREAD", "BOOK", "SCHOOL")),
}

_GOING = _Verb("go", "goes", "went")
_TARGETS = {"SCHOOL": "to school", "HOUSE": "home"}
_QUALITIES = {"GOOD": "good", "TIRED": "tired", "HAPPY": "happy"}

_TIMES: dict[str, tuple[str, Tense]] = {
    "TODAY": ("today", "present"),
    "TOMORROW": ("tomorrow", "future"),
    "YESTERDAY": ("yesterday", "past"),
}


def choose_sentences(number: int, seed: int) -> tuple[Sentence, ...]:
    """Chooses ``number`` different sentences, the same ones for the same seed.

    Raises ValueError when the grammar has fewer.
    """
    sentences = all_sentences()
    if number > len(sentences):
        message = f"The grammar has {len(sentences)} sentences, but {number} are asked for."
        raise ValueError(message)
    order = np.random.Generator(np.random.PCG64([seed, 8])).permutation(len(sentences))
    return tuple(sentences[index] for index in order[:number])


def all_sentences() -> tuple[Sentence, ...]:
    """Everything that the grammar makes: every caption and every gloss sequence only once."""
    sentences = []
    # A person does something with a thing: now, not, or at a time.
    for (subject, who), (gloss, verb) in product(_SUBJECTS.items(), _VERBS.items()):
        for thing in verb.objects:
            what = _OBJECTS[thing]
            signed = (subject, thing, gloss)
            sentences.append(Sentence(f"{who} {_conjugate(verb, who, 'present')} {what}", signed))
            negated = f"{who} {'do' if who in ('I', 'you') else 'does'} not {verb.base} {what}"
            sentences.append(Sentence(negated, (*signed, "NOT")))
            sentences += [
                Sentence(f"{when} {who} {_conjugate(verb, who, tense)} {what}", (time, *signed))
                for time, (when, tense) in _TIMES.items()
            ]
    # A person goes somewhere, at a time.
    for (subject, who), (target, where), (time, (when, tense)) in product(
        _SUBJECTS.items(), _TARGETS.items(), _TIMES.items()
    ):
        text = f"{when} {who} {_conjugate(_GOING, who, tense)} {where}"
        sentences.append(Sentence(text, (time, subject, target, "GO")))
    # A person is, or is not, something.
    for (subject, who), (gloss, how) in product(_SUBJECTS.items(), _QUALITIES.items()):
        being = {"I": "am", "you": "are"}.get(who, "is")
        sentences.append(Sentence(f"{who} {being} {how}", (subject, gloss)))
        sentences.append(Sentence(f"{who} {being} not {how}", (subject, gloss, "NOT")))
    return tuple(sentences)


def _conjugate(verb: _Verb, who: str, tense: Tense) -> str:
    if tense == "past":
        return verb.past
    if tense == "future":
        return f"will {verb.base}"
    return verb.base if who in ("I", "you") else verb.third
