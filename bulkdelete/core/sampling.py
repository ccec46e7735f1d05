"""How many to ask, and what the answers say of all: an exact sample without replacement.

Of `population` profiles an unknown number remains. Asked at random, the number found follows the
hypergeometric distribution, whatever the population looks like; nothing here is an approximation
but the rounding of floating point.
"""

from math import exp, lgamma

ONE_IN = 1000
"""What a sample of the default size can tell: fewer than one in so many remain."""

CONFIDENCE = 0.95
_NEGLIGIBLE = 1e-18
_ROUNDING = 1e-12
"""Probabilities this close are equal: one that is exactly the limit must not miss it."""


def sample_size(population: int, one_in: int = ONE_IN, confidence: float = CONFIDENCE) -> int:
    """Return how many to ask so that finding none means that fewer than one in `one_in` remain.

    Were there more, at least one would have been found with the given confidence. It is all of
    them where the population is too small for less.
    """
    if population < 1:
        return 0
    too_many = -(-population // one_in)
    low, high = 1, population
    while low < high:
        middle = (low + high) // 2
        if _at_most_found(0, population, too_many, middle) <= 1 - confidence + _ROUNDING:
            high = middle
        else:
            low = middle + 1
    return low


def at_most(population: int, asked: int, found: int, confidence: float = CONFIDENCE) -> int:
    """Return the largest number that may remain of all, when `found` of `asked` do.

    With any more remaining, so few would have been found with a probability of at most
    1 - `confidence`. ValueError on numbers that cannot be.
    """
    if not 0 <= found <= asked <= population:
        raise ValueError(f"{found} of {asked} of {population} cannot be")
    low, high = found, population - (asked - found)
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most_found(found, population, middle, asked) > 1 - confidence + _ROUNDING:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most_found(found: int, population: int, remain: int, asked: int) -> float:
    """Return the probability to find at most `found` when `remain` of the population remain."""
    others = population - remain
    least, most = max(0, asked - others), min(asked, remain)
    if found < least:
        return 0.0
    # Summed outwards from the cut, on the side of it where the terms get smaller.
    if found * population < asked * remain:
        numbers, step = range(found, least - 1, -1), -1
    else:
        numbers, step = range(found + 1, most + 1), 1
    total = 0.0
    for number in numbers:
        term = exp(_ways(remain, number) + _ways(others, asked - number) - _ways(population, asked))
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return min(total, 1.0) if step < 0 else max(0.0, 1.0 - total)


def _ways(of: int, chosen: int) -> float:
    """Return the logarithm of the number of ways to choose."""
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
