"""The size of a sample, and what it says of all: checked against exact arithmetic and chance."""

import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.core.sampling import ONE_IN, at_most, sample_size


def exactly(found: int, population: int, remain: int, asked: int) -> Fraction:
    """Return the probability to find at most `found`, by counting."""
    ways = sum(
        comb(remain, one) * comb(population - remain, asked - one)
        for one in range(found + 1)
        if asked >= one
    )
    return Fraction(ways, comb(population, asked))


@pytest.mark.parametrize(
    ("population", "size"),
    [(-1, 0), (0, 0), (1, 1), (2, 2), (20, 19), (1000, 950), (10**6, 2990), (10**9, 2995)],
)
def test_the_default_size(population: int, size: int) -> None:
    """Nearly all of a small population; never more than 2,995, however large it is."""
    assert sample_size(population) == pytest.approx(size, abs=1)
    assert sample_size(population) <= 2995


@given(st.integers(1, 400), st.integers(2, 50))
@example(40, 40)  # a probability of exactly the limit
def test_the_size_is_the_smallest_that_tells(population: int, one_in: int) -> None:
    """With one fewer asked, too many could have stayed unseen."""
    size = sample_size(population, one_in)
    too_many = -(-population // one_in)
    assert exactly(0, population, too_many, size) <= Fraction(5, 100)
    assert exactly(0, population, too_many, size - 1) > Fraction(5, 100)


@given(st.integers(1, 10**7))
def test_finding_none_means_fewer_than_one_in_a_thousand(population: int) -> None:
    """Size and bound are two sides of one sentence."""
    assert at_most(population, sample_size(population), 0) < -(-population // ONE_IN)


@given(st.data())
def test_the_bound_is_the_largest_that_is_believable(data: st.DataObject) -> None:
    """One more, and so few would have been found at most once in twenty."""
    population = data.draw(st.integers(1, 120))
    asked = data.draw(st.integers(0, population))
    found = data.draw(st.integers(0, asked))
    bound = at_most(population, asked, found)
    most = population - (asked - found)
    assert found <= bound <= most
    if bound > found:
        assert exactly(found, population, bound, asked) > Fraction(5, 100)
    if bound < most:
        assert exactly(found, population, bound + 1, asked) <= Fraction(5, 100)


@pytest.mark.parametrize(
    ("population", "asked", "found", "bound"),
    [(10_000, 10_000, 3, 3), (10_000, 0, 0, 10_000), (10**6, 3000, 1000, 347_751)],
)
def test_bounds_at_the_edges(population: int, asked: int, found: int, bound: int) -> None:
    """All asked: exact; none asked: anything; far from both: no underflow."""
    assert at_most(population, asked, found) == pytest.approx(bound, rel=0.001)


@pytest.mark.parametrize("numbers", [(10, 11, 0), (10, 5, 6), (10, 5, -1)])
def test_what_cannot_be_is_refused(numbers: tuple[int, int, int]) -> None:
    """More found than asked, or asked than there are."""
    with pytest.raises(ValueError, match="cannot be"):
        at_most(*numbers)


@pytest.mark.parametrize("remain", [0, 2, 9, 40, 400])
def test_the_sentence_is_right_as_often_as_it_says(remain: int) -> None:
    """Over 1,000 seeds the truth is within the bound in at least 95 % (less 3 sigma of chance)."""
    population = 20_000
    asked = sample_size(population)
    bounds: dict[int, int] = {}
    right = 0
    for seed in range(1000):
        chosen = random.Random(seed).sample(range(population), asked)
        found = sum(1 for one in chosen if one < remain)
        if found not in bounds:
            bounds[found] = at_most(population, asked, found)
        right += remain <= bounds[found]
    assert right >= 929
