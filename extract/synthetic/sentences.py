"""A small grammar: English captions and the gloss sequences that sign them.

As in many sign languages the time comes first and the verb last; "not" follows the verb.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

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
_PLACES = {"SCHOOL": "to school", "HOUSE": "home"}
_QUALITIES = {"GOOD": "good", "TIRED": "tired", "HAPPY": "happy"}

_TIMES: dict[str, tuple[str, Tense]] = {
    "TODAY": ("today", "present"),
    "TOMORROW": ("tomorrow", "future"),
    "YESTERDAY": ("yesterday", "past"),
}


def choose_sentences(number: int, seed: int) -> tuple[Sentence, ...]:
    """``number`` different sentences, the same ones for the same seed.

    Raises ValueError when the grammar has fewer.
    """
    sentences = all_sentences()
    if number > len(sentences):
        message = f"The grammar has {len(sentences)} sentences, but {number} are asked for."
        raise ValueError(message)
    order = np.random.Generator(np.random.PCG64([seed, 8])).permutation(len(sentences))
    return tuple(sentences[place] for place in order[:number])


def all_sentences() -> tuple[Sentence, ...]:
    """Everything that the grammar makes: every caption and every gloss sequence only once."""
    return (*_actions(), *_journeys(), *_states())


def _actions() -> tuple[Sentence, ...]:
    """Somebody does something with a thing: now, at a time, or not."""
    sentences = []
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
    return tuple(sentences)


def _journeys() -> tuple[Sentence, ...]:
    return tuple(
        Sentence(
            f"{when} {who} {_conjugate(_GOING, who, tense)} {where}", (time, subject, place, "GO")
        )
        for (subject, who), (place, where), (time, (when, tense)) in product(
            _SUBJECTS.items(), _PLACES.items(), _TIMES.items()
        )
    )


def _states() -> tuple[Sentence, ...]:
    """Somebody is, or is not, something."""
    sentences = []
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
