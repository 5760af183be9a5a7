"""Changes training sentences at random."""

import numpy as np


def swap_two_words(sentence: str, probability: float, generator: np.random.Generator) -> str:
    """The sentence with two of its words, chosen at random, in each other's place.

    Happens with ``probability``; a sentence of fewer than two words stays as it is.
    SEDS (arXiv 2407.16394).
    """
    words = sentence.split()
    if len(words) < 2 or generator.random() >= probability:
        return sentence
    first, second = generator.choice(len(words), size=2, replace=False)
    words[first], words[second] = words[second], words[first]
    return " ".join(words)
