"""Effect sizes against scipy's noncentral t, plain loops, and simulated seeds."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.effect_size import Effect, cliffs_delta, hedges_g

NAN, INF = math.nan, math.inf

numbers = st.integers(-(2**20), 2**20).map(lambda whole: whole / 1024)
samples = st.lists(numbers, min_size=2, max_size=10)
levels = st.floats(0.5, 0.999)

# scipy doubts its variance where one sample is constant; it is right there.
pytestmark = pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
anything = st.lists(st.floats(), max_size=5)


def pooled_t(a: list[float], b: list[float]) -> tuple[float, float, int]:
    """Student's pooled t, the factor from a standardized difference to it, and its df."""
    statistic = float(scipy.stats.ttest_ind(a, b, equal_var=True).statistic)
    return statistic, math.sqrt(len(a) * len(b) / (len(a) + len(b))), len(a) + len(b) - 2


def varies(*sides: list[float]) -> bool:
    """Whether at least one of the samples holds two different values."""
    return any(len(set(side)) > 1 for side in sides)


class TestHedgesG:
    @given(samples, samples)
    def test_the_value_is_the_definition(self, a: list[float], b: list[float]) -> None:
        """g is the pooled t, scaled back and corrected by the exact gamma functions."""
        assume(varies(a, b))
        statistic, factor, df = pooled_t(a, b)
        bias = math.gamma(df / 2) / (math.sqrt(df / 2) * math.gamma((df - 1) / 2))
        found = hedges_g(a, b)
        assert found.value == pytest.approx(bias * statistic / factor, rel=1e-10, abs=1e-10)

    @given(samples, samples, levels)
    def test_the_bounds_are_those_of_the_noncentral_t(
        self, a: list[float], b: list[float], level: float
    ) -> None:
        """Under the bounds the observed t lies at the (1 ± level)/2 quantiles, by scipy."""
        assume(varies(a, b))
        statistic, factor, df = pooled_t(a, b)
        assume(abs(statistic) < 50)  # scipy's distribution function gives NaN far out
        found = hedges_g(a, b, level)
        below = scipy.stats.nct(df, [found.low * factor, found.high * factor]).cdf(statistic)
        np.testing.assert_allclose(below, [(1 + level) / 2, (1 - level) / 2], rtol=0, atol=1e-11)

    @given(samples, samples, st.floats(0.8, 0.999))
    def test_the_value_lies_inside(self, a: list[float], b: list[float], level: float) -> None:
        """At the levels in use the value is inside its interval, however far from 0."""
        assume(varies(a, b))
        found = hedges_g(a, b, level)
        assert found.low <= found.value <= found.high

    @given(samples, samples, levels)
    def test_the_interval_agrees_with_the_t_test(
        self, a: list[float], b: list[float], level: float
    ) -> None:
        """The interval leaves out 0 where the pooled t test rejects at 1 - level."""
        assume(varies(a, b))
        p = scipy.stats.ttest_ind(a, b, equal_var=True).pvalue
        assume(abs(p - (1.0 - level)) > 1e-9)
        found = hedges_g(a, b, level)
        assert (found.low > 0.0 or found.high < 0.0) == (p < 1.0 - level)

    @given(samples, samples, levels)
    def test_swapping_the_sides_turns_the_signs(
        self, a: list[float], b: list[float], level: float
    ) -> None:
        """hedges_g(b, a) is hedges_g(a, b) with the opposite sign."""
        found = hedges_g(a, b, level)
        swapped = (-found.value, -found.high, -found.low)
        np.testing.assert_allclose(hedges_g(b, a, level), swapped, rtol=1e-12)

    @given(samples, samples, st.integers(-900, 900))
    def test_the_unit_does_not_matter(self, a: list[float], b: list[float], power: int) -> None:
        """The same values in a tiny or huge unit have the same effect."""
        scaled = hedges_g(np.ldexp(a, power), np.ldexp(b, power))
        np.testing.assert_allclose(scaled, hedges_g(a, b), rtol=1e-12)

    @given(anything, anything)
    def test_any_floats_give_an_answer(self, a: list[float], b: list[float]) -> None:
        """Any floats give ordered bounds or NaN, without a warning or an exception."""
        found = hedges_g(a, b)
        assert found.low <= found.high or math.isnan(found.low)

    def test_far_from_zero(self) -> None:
        """Where the noise of the means does not count, the bounds are those of the spread alone."""
        a, b = np.array([0.0, 1.0, 2.0]) + 1e9, np.array([0.0, 1.0, 2.0])
        found = hedges_g(a, b)  # pooled standard deviation 1 with 4 degrees of freedom
        spread = np.sqrt(scipy.stats.chi2(4).ppf([0.025, 0.975]) / 4)
        np.testing.assert_allclose(found[1:], 1e9 * spread, rtol=1e-10)

    def test_many_values(self) -> None:
        """With thousands of values the correction is 1 - 3 / (4 df - 1), and nothing overflows."""
        a = np.tile([0.0, 1.0], 5000)
        difference = 0.25 / math.sqrt(0.25 * 10_000 / 9_999)
        found = hedges_g(a + 0.25, a)
        assert found.value == pytest.approx(difference * (1 - 3 / (4 * 19_998 - 1)), rel=1e-9)
        error = math.sqrt(2 / 10_000 + found.value**2 / 40_000)  # of the large-sample variance
        assert found.high - found.low == pytest.approx(2 * 1.959964 * error, rel=1e-4)

    @pytest.mark.parametrize(
        ("a", "b"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, NAN]), ([INF, 1.0], [1, 2])]
    )
    def test_fewer_than_two_values_on_a_side(self, a: list[float], b: list[float]) -> None:
        """A side with one finite value has no spread to pool: nothing is known."""
        np.testing.assert_array_equal(hedges_g(a, b), (NAN, NAN, NAN))

    def test_no_spread_on_either_side(self) -> None:
        """Different constants have no effect size, equal ones the effect 0; neither has bounds."""
        np.testing.assert_array_equal(hedges_g([0.1] * 3, [0.3] * 3), (NAN, NAN, NAN))
        np.testing.assert_array_equal(hedges_g([0.1] * 3, [0.1] * 2), (0.0, NAN, NAN))

    def test_a_level_too_near_to_1(self) -> None:
        """Bounds that rounding would decide are NaN; the value stays."""
        found = hedges_g([1.0, 2.0], [2.0, 4.0], 1 - 1e-12)
        assert math.isfinite(found.value)
        assert math.isnan(found.low)
        assert math.isnan(found.high)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((1.0, [1.0, 2.0]), "a must have 1 dimension"),
            (([1.0, 2.0], ["x"]), "b must be real numbers"),
            (([1.0, 2.0], [1.0, 2.0], 95), "not 95"),
        ],
    )
    def test_misuse_is_an_error(self, arguments: tuple[object, ...], says: str) -> None:
        """The error names the argument that is wrong."""
        with pytest.raises(UsageError, match=re.escape(says)):
            hedges_g(*arguments)

    def test_three_seeds_are_enough(self) -> None:
        """Over simulated triples g is right on average, and 95 % intervals cover at 95 %."""
        generator, true = np.random.default_rng(11), 1.5
        draws = generator.normal(size=(3000, 2, 3))
        found = [hedges_g(a + true, b) for a, b in draws]
        error = np.std([effect.value for effect in found]) / math.sqrt(len(found))
        assert abs(np.mean([effect.value for effect in found]) - true) < 4 * error
        covered = np.mean([effect.low <= true <= effect.high for effect in found])
        assert 0.935 <= covered <= 0.965


class TestCliffsDelta:
    @given(st.lists(st.integers(-5, 5), max_size=9), st.lists(st.integers(-5, 5), max_size=9))
    def test_counts_the_pairs(self, a: list[int], b: list[int]) -> None:
        """Delta is the share of pairs won less the share lost, ties being neither."""
        if not a or not b:
            assert math.isnan(cliffs_delta(a, b))
            return
        won = sum((x > y) - (x < y) for x in a for y in b)
        assert cliffs_delta(a, b) == won / (len(a) * len(b))

    @given(samples, samples)
    def test_only_the_order_counts(self, a: list[float], b: list[float]) -> None:
        """A rising transformation changes nothing; swapping the sides turns the sign."""
        delta = cliffs_delta(a, b)
        assert -1.0 <= delta <= 1.0
        assert cliffs_delta(np.array(a) ** 3, np.array(b) ** 3) == delta
        assert cliffs_delta(b, a) == -delta

    @given(samples, samples)
    def test_agrees_with_mann_whitney(self, a: list[float], b: list[float]) -> None:
        """Delta is 2 U / (n_a n_b) - 1, with U by scipy."""
        u = scipy.stats.mannwhitneyu(a, b).statistic
        expected = 2.0 * u / (len(a) * len(b)) - 1.0
        assert cliffs_delta(a, b) == pytest.approx(expected, abs=1e-12)

    def test_values_that_are_not_finite_do_not_count(self) -> None:
        """NaN and infinities are no members of any pair."""
        assert cliffs_delta([2.0, NAN, INF], [1.0, -INF, NAN]) == 1.0
        assert math.isnan(cliffs_delta([NAN], [1.0]))

    def test_misuse_is_an_error(self) -> None:
        """The error names the argument that is wrong."""
        with pytest.raises(UsageError, match="b must have 1 dimension"):
            cliffs_delta([1.0], 2.0)


def test_an_effect_has_named_parts() -> None:
    """An effect is read by name or unpacked in the order value, low, high."""
    value, low, high = Effect(value=1.0, low=0.5, high=2.0)
    assert (value, low, high) == (1.0, 0.5, 2.0)
