"""Corrections for many comparisons against their definitions and published examples."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.multiplicity import METHODS, adjust, benjamini_hochberg, bonferroni, holm

NAN = math.nan

p_values = st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.01, 0.05, 1.0])
families = st.lists(p_values, max_size=12)
families_with_holes = st.lists(p_values | st.just(NAN), max_size=12)
each_method = pytest.mark.parametrize("method", sorted(METHODS))

# Benjamini and Hochberg (1995), section 3.2: fifteen comparisons of two treatments.
THROMBOLYSIS = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
]


def holm_by_definition(p: list[float]) -> list[float]:
    """The smallest level at which Holm's procedure, step by step, rejects each hypothesis."""
    ordered = sorted(p)
    steps = [min(1.0, (len(p) - i) * value) for i, value in enumerate(ordered)]
    return [max(steps[: ordered.index(value) + p.count(value)]) for value in p]


def bh_by_definition(p: list[float]) -> list[float]:
    """The smallest rate at which Benjamini and Hochberg's procedure rejects each hypothesis."""
    ordered = sorted(p)
    steps = [min(1.0, len(p) * value / (i + 1)) for i, value in enumerate(ordered)]
    return [min(steps[ordered.index(value) :]) for value in p]


def bonferroni_by_definition(p: list[float]) -> list[float]:
    """Each p-value times their number."""
    return [min(1.0, len(p) * value) for value in p]


class TestEveryMethod:
    @each_method
    @given(p=families_with_holes)
    def test_adjusted_values_are_probabilities_in_the_same_order(
        self, method: str, p: list[float]
    ) -> None:
        """A correction raises p-values, to 1 at most, and never swaps two of them."""
        adjusted = adjust(p, method)
        given_p = np.array(p, dtype=float)
        known = ~np.isnan(given_p)
        np.testing.assert_array_equal(np.isnan(adjusted), ~known)
        assert np.all((adjusted >= given_p) & (adjusted <= 1.0) | ~known)
        assert np.all(np.diff(adjusted[known][np.argsort(given_p[known])]) >= 0.0)

    @each_method
    @given(p=families, places=st.lists(st.integers(0, 12), max_size=4))
    def test_comparisons_that_could_not_be_made_do_not_count(
        self, method: str, p: list[float], places: list[int]
    ) -> None:
        """NaN entries stay NaN, and the others are adjusted as if they were not there."""
        holed = list(p)
        for place in places:
            holed.insert(place, NAN)
        adjusted = adjust(holed, method)
        np.testing.assert_array_equal(adjusted[~np.isnan(holed)], adjust(p, method))

    @each_method
    @given(p=families, random=st.randoms())
    def test_the_order_of_the_comparisons_does_not_matter(
        self, method: str, p: list[float], random
    ) -> None:
        """Adjusting shuffled p-values is shuffling the adjusted ones."""
        order = list(range(len(p)))
        random.shuffle(order)
        shuffled = adjust([p[i] for i in order], method)
        np.testing.assert_array_equal(shuffled, adjust(p, method)[np.array(order, dtype=int)])

    @each_method
    def test_families_of_none_and_one(self, method: str) -> None:
        """One comparison needs no correction; none gives none."""
        assert adjust([0.03], method).tolist() == [0.03]
        assert adjust([], method).shape == (0,)
        np.testing.assert_array_equal(adjust([NAN, NAN], method), [NAN, NAN])

    @each_method
    def test_the_input_stays_as_it_is(self, method: str) -> None:
        """The result is a new array, also where nothing is corrected."""
        p = np.array([0.2, NAN, 0.1])
        assert not np.shares_memory(adjust(p, method), p)
        np.testing.assert_array_equal(p, [0.2, NAN, 0.1])

    @each_method
    @pytest.mark.parametrize(
        ("p", "says"),
        [
            ([0.5, NAN, 1.5, -1.0], "p-values must be in [0, 1], or NaN; p[2] is 1.5"),
            ([-1e-9], "p[0] is -1e-09"),
            ([math.inf], "p[0] is inf"),
            ([[0.5]], "p must have 1 dimension, not shape (1, 1)"),
        ],
    )
    def test_what_is_not_a_family_of_p_values_is_an_error(
        self, method: str, p: object, says: str
    ) -> None:
        """Statistics passed for p-values, or a matrix of pairs, are refused with their place."""
        with pytest.raises(UsageError, match=re.escape(says)):
            adjust(p, method)


class TestDefinitions:
    @pytest.mark.parametrize(
        ("function", "definition"),
        [
            (holm, holm_by_definition),
            (benjamini_hochberg, bh_by_definition),
            (bonferroni, bonferroni_by_definition),
        ],
    )
    @given(p=families)
    def test_agrees_with_the_definition(
        self, function: Callable, definition: Callable, p: list[float]
    ) -> None:
        """Each correction is its published procedure, carried out in plain Python."""
        np.testing.assert_allclose(function(p), definition(p), rtol=1e-10)

    @given(families)
    def test_agrees_with_scipy(self, p: list[float]) -> None:
        """The false discovery rate is scipy's."""
        expected = scipy.stats.false_discovery_control(p) if p else []
        np.testing.assert_allclose(benjamini_hochberg(p), expected, rtol=1e-10)

    @given(families)
    def test_the_corrections_are_ordered_by_what_they_guard(self, p: list[float]) -> None:
        """Uncorrected <= false discovery rate <= Holm <= Bonferroni."""
        rising = [adjust(p, method) for method in ("none", "bh", "holm", "bonferroni")]
        # Rounding alone may part products that are equal on paper.
        assert all(np.all(a <= b * (1 + 1e-15)) for a, b in itertools.pairwise(rising))

    def test_thrombolysis(self) -> None:
        """At 5 %, in the example of its authors, the step-up rejects four and the others three."""
        rejected = {method: int((adjust(THROMBOLYSIS, method) <= 0.05).sum()) for method in METHODS}
        assert rejected == {"none": 9, "bh": 4, "holm": 3, "bonferroni": 3}

    def test_holm_by_hand(self) -> None:
        """1 to 5 % become 5, 8, 9 and, raised to the value before, 9 and 9 %."""
        found = holm([0.03, 0.01, 0.05, 0.02, 0.04])
        np.testing.assert_allclose(found, [0.09, 0.05, 0.09, 0.08, 0.09], rtol=1e-10)

    def test_holm_keeps_its_promise(self) -> None:
        """Of families without any difference, at most 5 % contain a claim at 5 %."""
        families = np.random.default_rng(3).uniform(size=(4000, 6))
        assert np.mean([holm(family).min() <= 0.05 for family in families]) <= 0.06


class TestAdjust:
    def test_an_unknown_method_is_an_error(self) -> None:
        """The error lists the methods there are."""
        says = "method must be one of 'holm', 'bonferroni', 'bh', 'none', not 'fdr_bh'"
        with pytest.raises(UsageError, match=re.escape(says)):
            adjust([0.1], "fdr_bh")

    def test_holm_is_the_default(self) -> None:
        """Without a method, comparisons are corrected by Holm's."""
        assert adjust([0.01, 0.02, 0.9]).tolist() == holm([0.01, 0.02, 0.9]).tolist()

    def test_none_corrects_nothing(self) -> None:
        """The method "none" gives the p-values back as they are."""
        np.testing.assert_array_equal(adjust([0.3, NAN, 0.1], "none"), [0.3, NAN, 0.1])
