"""`welch` against scipy, its own symmetries, and simulated seeds."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.significance import WelchTest, welch, welch_pairs

NAN, INF = math.nan, math.inf

# Multiples of 1/1024: scipy loses digits where a sample is constant up to rounding.
numbers = st.integers(-(2**20), 2**20).map(lambda whole: whole / 1024)
samples = st.lists(numbers, min_size=2, max_size=12)
levels = st.floats(0.5, 0.999)


def varies(*sides: list[float]) -> bool:
    """Whether at least one of the samples holds two different values."""
    return any(len(set(side)) > 1 for side in sides)


def same(found: WelchTest, expected: tuple[float, ...], rtol: float = 1e-10) -> None:
    """Assert that two results agree field by field, NaN with NaN."""
    np.testing.assert_allclose(found, expected, rtol=rtol)


class TestWelch:
    # scipy doubts its variance where one sample is constant; it is right there.
    @pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
    @given(samples, samples, levels)
    def test_agrees_with_scipy(self, a: list[float], b: list[float], level: float) -> None:
        """Statistic, degrees of freedom, p and interval are those of scipy's Welch test."""
        assume(varies(a, b))
        expected = scipy.stats.ttest_ind(a, b, equal_var=False)
        interval = expected.confidence_interval(level)
        found = welch(a, b, level)
        # Bounds can lie next to 0: they are exact relative to the numbers they are made from.
        size = max(map(abs, [*a, *b]))
        assert found.difference == pytest.approx(
            np.mean(a) - np.mean(b), rel=1e-10, abs=1e-13 * size
        )
        assert found.low == pytest.approx(interval.low, rel=1e-10, abs=1e-10 * size)
        assert found.high == pytest.approx(interval.high, rel=1e-10, abs=1e-10 * size)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-10, abs=1e-10)
        assert found.df == pytest.approx(expected.df, rel=1e-10)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-10, abs=0.0)

    @given(samples, samples, levels)
    def test_swapping_the_sides_turns_the_signs(
        self, a: list[float], b: list[float], level: float
    ) -> None:
        """welch(b, a) is welch(a, b) with the opposite sign, to the last bit."""
        found, swapped = welch(a, b, level), welch(b, a, level)
        expected = found._replace(
            difference=-found.difference,
            low=-found.high,
            high=-found.low,
            statistic=-found.statistic,
        )
        np.testing.assert_array_equal(swapped, expected)

    @given(samples, samples, levels)
    def test_interval_and_p_say_the_same(
        self, a: list[float], b: list[float], level: float
    ) -> None:
        """The interval leaves out 0 where p is below 1 - level."""
        assume(varies(a, b))
        found = welch(a, b, level)
        assume(abs(found.p - (1.0 - level)) > 1e-9)
        assert (found.low > 0.0 or found.high < 0.0) == (found.p < 1.0 - level)

    @given(samples, samples)
    def test_degrees_of_freedom_stay_in_their_bounds(self, a: list[float], b: list[float]) -> None:
        """min(n) - 1 <= df <= n_a + n_b - 2, and p is a probability."""
        assume(varies(a, b))
        found = welch(a, b)
        assert min(len(a), len(b)) - 1 <= found.df * (1 + 1e-12)
        assert found.df <= (len(a) + len(b) - 2) * (1 + 1e-12)
        assert 0.0 <= found.p <= 1.0

    @given(samples, samples, st.integers(-900, 900))
    def test_the_unit_does_not_matter(self, a: list[float], b: list[float], power: int) -> None:
        """In a tiny or huge unit, statistic, df and p stay as they are."""
        assume(varies(a, b))
        found = welch(np.ldexp(a, power), np.ldexp(b, power))
        same(found[3:], welch(a, b)[3:], rtol=1e-14)

    @given(samples, samples, st.lists(st.sampled_from([NAN, INF, -INF]), max_size=3))
    def test_values_that_are_not_finite_change_nothing(
        self, a: list[float], b: list[float], holes: list[float]
    ) -> None:
        """NaN and infinities on either side are neither used nor counted."""
        np.testing.assert_array_equal(welch([*holes, *a], [*b, *holes]), welch(a, b))

    @given(st.lists(st.floats(), max_size=5), st.lists(st.floats(), max_size=5))
    @example([0.0, 0.0], [0.0, 0.0, 0.0, 1.7192743228682028e308])  # an interval without a bound
    def test_any_floats_give_an_answer(self, a: list[float], b: list[float]) -> None:
        """Any floats give a p in [0, 1] or NaN, without a warning or an exception."""
        found = welch(a, b)
        assert math.isnan(found.p) or 0.0 <= found.p <= 1.0

    @pytest.mark.parametrize(
        ("a", "b", "difference"),
        [
            ([1.0], [2.0, 3.0], -1.5),
            ([1.0, 2.0], [3.0, NAN], -1.5),
            ([1.0], [1.0], 0.0),
            ([], [2.0, 3.0], NAN),
            ([], [], NAN),
        ],
    )
    def test_fewer_than_two_values_on_a_side(
        self, a: list[float], b: list[float], difference: float
    ) -> None:
        """One value has no noise to compare with: there is a difference, but no test of it."""
        np.testing.assert_array_equal(welch(a, b), (difference, NAN, NAN, NAN, NAN, NAN))

    def test_two_different_constants(self) -> None:
        """Seeds that never vary do not make a difference certain: p is NaN, not 0."""
        same(welch([0.5, 0.5], [0.75] * 3), (-0.25, NAN, NAN, NAN, NAN, NAN))
        same(welch([0.1] * 3, [0.3] * 3), (0.1 - 0.3, NAN, NAN, NAN, NAN, NAN))

    def test_the_same_constant_twice(self) -> None:
        """Nothing speaks for a difference of equal constants: p is 1, without an interval."""
        same(welch([0.1] * 3, [0.1] * 2), (0.0, NAN, NAN, 0.0, NAN, 1.0))

    def test_noise_beyond_the_largest_double(self) -> None:
        """Where the standard error has no number, nothing is said but the difference."""
        found = welch([-1.7e308, 1.7e308], [1.0, 2.0])
        np.testing.assert_array_equal(found, (-1.5, NAN, NAN, NAN, NAN, NAN))

    def test_one_side_constant(self) -> None:
        """With one constant side the noise, and its degrees of freedom, are those of the other."""
        found = welch([1.0, 2.0, 6.0], [3.0] * 5)
        expected = scipy.stats.ttest_1samp([1.0, 2.0, 6.0], 3.0)
        assert found.df == 2.0
        assert found.p == pytest.approx(expected.pvalue, abs=1e-12)

    def test_a_large_difference_keeps_its_digits(self) -> None:
        """p is computed from the tail: it does not end at the rounding of 1."""
        a, b = np.arange(20.0), np.arange(20.0) + 500.0
        expected = scipy.stats.ttest_ind(a, b, equal_var=False).pvalue
        assert expected < 1e-40
        assert welch(a, b).p == pytest.approx(expected, rel=1e-10, abs=0.0)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((1.0, [1.0, 2.0]), "a must have 1 dimension"),
            (([1.0, 2.0], [[1.0, 2.0]]), "b must have 1 dimension"),
            (([1.0, 2.0], [1.0, 2.0], 95), "not 95"),
        ],
    )
    def test_misuse_is_an_error(self, arguments: tuple[object, ...], says: str) -> None:
        """The error names the argument that is wrong."""
        with pytest.raises(UsageError, match=re.escape(says)):
            welch(*arguments)


@given(st.lists(st.lists(numbers | st.just(NAN), max_size=5), max_size=5), levels)
def test_many_pairs_are_tested_as_each_alone(several: list[list[float]], level: float) -> None:
    """To the last bit, whatever else is compared beside them, in the order of the pairs."""
    pairs = list(itertools.permutations(range(len(several)), 2))
    found = welch_pairs(several, pairs, level)
    assert len(found) == len(pairs)
    for (i, j), test in zip(pairs, found, strict=True):
        np.testing.assert_array_equal(test, welch(several[i], several[j], level))


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Without a difference, 5 and 4 seeds of unequal noise give p <= 0.05 about 5 % of the time."""
    generator = np.random.default_rng(7)
    found = [welch(generator.normal(0, 3, 5), generator.normal(0, 1, 4)) for _ in range(3000)]
    assert 0.03 <= np.mean([test.p <= 0.05 for test in found]) <= 0.065
    assert np.mean([test.low <= 0.0 <= test.high for test in found]) >= 0.93
