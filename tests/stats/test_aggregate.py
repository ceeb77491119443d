"""`describe`, `t_interval` and `band` against exact arithmetic, scipy and known data."""

from __future__ import annotations

import itertools
import math
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from dr_gen.errors import UsageError
from dr_gen.stats.aggregate import Interval, band, describe, t_interval

NAN, INF = math.nan, math.inf
KINDS = ["t", "std", "range"]

numbers = st.floats(-1e9, 1e9, allow_subnormal=False)
samples = st.lists(numbers, max_size=20)
anything = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def matrices(draw: st.DrawFn, elements: st.SearchStrategy[float] = numbers) -> np.ndarray:
    """Matrices of 0 to 6 runs and 0 to 6 x, a part of them missing."""
    rows, columns = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    cells = elements | st.sampled_from([NAN, INF, -INF])
    flat = draw(st.lists(cells, min_size=rows * columns, max_size=rows * columns))
    return np.array(flat, dtype=float).reshape(rows, columns)


def close(value: float, rel: float = 1e-10, scale: float = 0.0) -> object:
    """Equal to `value` up to `rel` of the larger of `value` and `scale`; NaN equals NaN."""
    return pytest.approx(value, rel=rel, abs=rel * scale, nan_ok=True)


class TestDescribe:
    @given(samples)
    def test_agrees_with_exact_arithmetic(self, values: list[float]) -> None:
        """Mean, standard deviation and median are those of exact fractions, rounded."""
        found = describe(values)
        size = max(map(abs, values), default=0.0)
        assert found.n == len(values)
        if values:
            assert found.mean == close(statistics.mean(values), scale=size)
            assert found.median == close(statistics.median(values))
            assert (found.minimum, found.maximum) == (min(values), max(values))
        if len(values) > 1:
            # Relative to the spread itself, however large the offset.
            assert found.std == close(statistics.stdev(values))

    @given(st.lists(anything, max_size=12))
    @example([1.6e308, 1.7e308])
    @example([-1.7e308, 1.7e308])
    @example([5e-324, 1e-323])
    def test_any_floats_are_ordered(self, values: list[float]) -> None:
        """minimum <= mean, median <= maximum for any floats, without a warning on the way."""
        found = describe(values)
        assert found.n == sum(map(math.isfinite, values))
        if found.n:
            assert found.minimum <= found.mean <= found.maximum
            assert found.minimum <= found.median <= found.maximum
        if found.n > 1:
            assert found.std >= 0.0

    @given(samples, st.lists(st.sampled_from([NAN, INF, -INF]), max_size=4), st.randoms())
    def test_values_that_are_not_finite_change_nothing(self, values, holes, random) -> None:
        """NaN and infinities anywhere between the values are neither used nor counted."""
        mixed = [*values, *holes]
        places = list(range(len(mixed)))
        random.shuffle(places)
        kept = [mixed[place] for place in places if place < len(values)]
        np.testing.assert_array_equal(describe([mixed[i] for i in places]), describe(kept))

    @given(st.lists(numbers, min_size=1, max_size=9), st.integers(-900, 900))
    def test_a_power_of_two_scales_every_number(self, values: list[float], power: int) -> None:
        """Squares neither overflow nor vanish: tiny and huge units give the same digits."""
        values = [value if abs(value) > 1e-9 else 0.0 for value in values]
        found, scaled = describe(values), describe(np.ldexp(values, power))
        np.testing.assert_array_equal(scaled[1:], np.ldexp(found[1:], power))

    @given(numbers, st.integers(2, 40))
    def test_equal_values_have_no_spread(self, value: float, n: int) -> None:
        """The mean of equal values is that value, and their standard deviation exactly 0."""
        assert describe([value] * n) == (n, value, 0.0, value, value, value)

    @given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30))
    def test_an_offset_costs_no_digits(self, values: list[int]) -> None:
        """Adding 2**40 to whole numbers leaves their standard deviation as it is."""
        offset = describe(np.array(values) + 2.0**40)
        assert offset.std == close(describe(values).std, rel=1e-13)

    def test_many_values_cost_no_digits(self) -> None:
        """A million values have the mean and deviation of exact sums."""
        values = np.random.default_rng(5).normal(1e6, 1.0, 1_000_000)
        mean = math.fsum(values) / values.size
        squares = math.fsum((values - mean) ** 2)
        found = describe(values)
        assert found.mean == pytest.approx(mean, rel=1e-15)
        assert found.std == pytest.approx(math.sqrt(squares / (values.size - 1)), rel=1e-12)

    def test_too_few_values(self) -> None:
        """No value gives NaNs, one value has no standard deviation."""
        np.testing.assert_array_equal(describe([]), (0, NAN, NAN, NAN, NAN, NAN))
        np.testing.assert_array_equal(describe([NAN, INF]), describe([]))
        np.testing.assert_array_equal(describe([7.0]), (1, 7.0, NAN, 7.0, 7.0, 7.0))

    @pytest.mark.parametrize(
        "values",
        [
            [1, None, 3],
            np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[False, True, False]),
            np.array([1, 3], dtype=np.int8),
            np.array([1, 3], dtype=np.float16),
            (1.0, 3.0),
        ],
        ids=["None", "masked", "int8", "float16", "tuple"],
    )
    def test_whatever_holds_numbers_is_taken(self, values: object) -> None:
        """Integers, short floats, tuples, None and masked entries mean what they say."""
        found = describe(values)
        assert (found.n, found.mean, found.minimum, found.maximum) == (2, 2.0, 1.0, 3.0)

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            (3.0, "1 dimension, not shape ()"),
            ([[1.0], [2.0]], "1 dimension, not shape (2, 1)"),
            (["1", "2"], "real numbers, not <U1"),
            ([1 + 2j], "real numbers, not complex128"),
            ([object()], "real numbers"),
            ([[1.0], [2.0, 3.0]], "real numbers"),
        ],
    )
    def test_what_is_not_a_sample_is_an_error(self, values: object, says: str) -> None:
        """A scalar, a table, text or complex numbers are refused with the reason."""
        with pytest.raises(UsageError, match=re.escape(says)):
            describe(values)

    def test_the_result_is_plain_numbers(self) -> None:
        """A description holds Python numbers, which print and serialise as such."""
        assert [type(field) for field in describe([1, 2])] == [int, *[float] * 5]


class TestTInterval:
    @given(st.lists(numbers, min_size=2, max_size=20), st.floats(0.01, 0.999))
    def test_agrees_with_scipy(self, values: list[float], level: float) -> None:
        """The interval is scipy's Student t about the exact mean and standard error."""
        mean, error = statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))
        low, high = t_interval(values, level)
        if error == 0.0:
            assert low == high == values[0]
            return
        expected = scipy.stats.t.interval(level, len(values) - 1, loc=mean, scale=error)
        size = max(map(abs, values))
        assert (low, high) == (close(expected[0], scale=size), close(expected[1], scale=size))

    @given(st.lists(numbers, min_size=2, max_size=8), st.floats(0.01, 0.9), st.floats(0.01, 0.09))
    def test_a_higher_level_is_wider(self, values: list[float], level: float, more: float) -> None:
        """Intervals of one sample nest by level, and all hold the mean."""
        inner, outer = t_interval(values, level), t_interval(values, level + more)
        assert outer.low <= inner.low <= describe(values).mean <= inner.high <= outer.high

    def test_known_values(self) -> None:
        """The 95 % interval of 1, 2, 3, 4, 100 is 22 ± 54.1585, with a hole or without."""
        expected = (pytest.approx(22 - 54.1585, abs=5e-5), pytest.approx(22 + 54.1585, abs=5e-5))
        assert t_interval([1, 2, 3, 4, 100]) == expected
        assert t_interval([1, 2, NAN, 3, 4, 100, INF]) == expected

    def test_equal_values(self) -> None:
        """Without spread both bounds are the mean, to the last bit."""
        assert t_interval([0.1] * 3) == Interval(0.1, 0.1)

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, NAN]])
    def test_fewer_than_two_values(self, values: list[float]) -> None:
        """One value says nothing about the noise: there is no interval."""
        np.testing.assert_array_equal(t_interval(values), (NAN, NAN))

    @pytest.mark.parametrize("level", [0, 1, 95, -0.1, NAN, "high", None])
    def test_a_level_is_between_0_and_1(self, level: object) -> None:
        """95 for 95 % and other levels outside (0, 1) are refused, with an example."""
        with pytest.raises(UsageError, match=re.escape("such as 0.95 for 95 %")):
            t_interval([1.0, 2.0], level)

    @pytest.mark.parametrize("n", [3, 5, 10])
    def test_covers_the_mean_as_often_as_it_says(self, n: int) -> None:
        """Of 95 % intervals over 3, 5 or 10 normal seeds, 93 to 97 % hold the true mean."""
        draws = np.random.default_rng(20240607 + n).normal(0.7, 0.02, size=(n, 4000))
        found = band(draws)
        covered = np.mean((found.low <= 0.7) & (found.high >= 0.7))
        assert 0.93 <= covered <= 0.97


class TestBand:
    @given(matrices(), st.floats(0.5, 0.999))
    def test_every_column_stands_alone(self, matrix: np.ndarray, level: float) -> None:
        """At each x the bands are what describe and t_interval say of that column."""
        found = {kind: band(matrix, level, kind) for kind in KINDS}
        for place, column in enumerate(matrix.T):
            one, interval = describe(column), t_interval(column, level)
            size = np.abs(column, where=np.isfinite(column), out=np.zeros(column.size)).max(
                initial=0.0
            )
            expected = {
                "t": interval,
                "std": (one.mean - one.std, one.mean + one.std),
                "range": (one.minimum, one.maximum),
            }
            for kind, bounds in expected.items():
                at = [field[place] for field in found[kind]]
                exact = [one.n, one.mean, *bounds]
                np.testing.assert_allclose(at, exact, rtol=1e-12, atol=1e-12 * size)

    @given(matrices(anything))
    def test_any_floats_give_ordered_bounds(self, matrix: np.ndarray) -> None:
        """low <= mean <= high wherever there is a band, for any floats and without a warning."""
        for kind in KINDS:
            n, mean, low, high = band(matrix, kind=kind)
            known = n >= (1 if kind == "range" else 2)
            assert np.all(low[known] <= mean[known])
            assert np.all(mean[known] <= high[known])
            assert np.all(np.isnan(low[~known]) & np.isnan(high[~known]))
            np.testing.assert_array_equal(n, np.isfinite(matrix).sum(axis=0))

    def test_known_values(self) -> None:
        """Columns with three, one and no value have the bounds that their kind has for them."""
        matrix = [[1.0, 4.0, NAN], [3.0, NAN, INF], [8.0, NAN, NAN]]
        std = math.sqrt(13.0)
        half = 4.302652729911275 * std / math.sqrt(3.0)  # t of 2 degrees of freedom, from a table
        for kind, low, high in [
            ("t", [4.0 - half, NAN, NAN], [4.0 + half, NAN, NAN]),
            ("std", [4.0 - std, NAN, NAN], [4.0 + std, NAN, NAN]),
            ("range", [1.0, 4.0, NAN], [8.0, 4.0, NAN]),
        ]:
            found = band(matrix, kind=kind)
            np.testing.assert_array_equal(found.n, [3, 1, 0])
            np.testing.assert_allclose(found.mean, [4.0, 4.0, NAN], rtol=1e-10)
            np.testing.assert_allclose(found.low, low, rtol=1e-10)
            np.testing.assert_allclose(found.high, high, rtol=1e-10)

    def test_long_curves_are_computed_in_blocks(self) -> None:
        """A matrix larger than a block has the same band on both sides of every seam."""
        curve = np.arange(300_000.0)
        found = band(np.stack([curve, curve + 1.0, curve + 2.0]), kind="std")
        np.testing.assert_allclose(found.low, curve, atol=1e-9)
        np.testing.assert_allclose(found.mean, curve + 1.0, rtol=1e-15)
        np.testing.assert_allclose(found.high, curve + 2.0, rtol=1e-14)

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
    def test_nothing_in_nothing_out(self, shape: tuple[int, int]) -> None:
        """No runs give NaNs at every x, no x gives empty arrays."""
        for kind in KINDS:
            n, *rest = band(np.empty(shape), kind=kind)
            assert n.tolist() == [0] * shape[1]
            assert all(np.isnan(field).tolist() == [True] * shape[1] for field in rest)

    def test_the_input_stays_as_it_is(self) -> None:
        """A read-only matrix is fine, and nothing is written to it."""
        matrix = np.array([[1.0, NAN], [2.0, 3.0]])
        matrix.setflags(write=False)
        band(matrix)
        np.testing.assert_array_equal(matrix, [[1.0, NAN], [2.0, 3.0]])

    def test_the_matrix_may_lie_in_memory_as_it_likes(self) -> None:
        """Columns first, strided or float32: the band is that of the numbers."""
        matrix = np.arange(24.0).reshape(4, 6) ** 2
        for other in (np.asfortranarray(matrix), matrix.repeat(2, axis=1)[:, ::2]):
            for field, expected in zip(band(other), band(matrix), strict=True):
                np.testing.assert_allclose(field, expected, rtol=1e-13)
        assert band(matrix.astype(np.float32)).mean.dtype == np.float64

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (([1.0, 2.0],), "matrix must have 2 dimensions, not shape (2,)"),
            (([[1.0]], 0.95, "sem"), "kind must be one of 't', 'std', 'range', not 'sem'"),
            (([[1.0]], 95), "not 95"),
        ],
    )
    def test_misuse_is_an_error(self, arguments: tuple[object, ...], says: str) -> None:
        """A curve alone, an unknown kind and a level of 95 are refused with what is allowed."""
        with pytest.raises(UsageError, match=re.escape(says)):
            band(*arguments)


class TestRealData:
    @pytest.mark.parametrize(
        ("record", "n", "mean", "std"),
        [
            ("2025-08-23_SparseAttnGate", 14, 3.278714285714286, 0.001643100794163),
            ("2025-09-03_FA3", 7, 3.276914285714285, 0.000928131764045),
            ("2025-09-10_Yarn", 7, 3.278642857142857, 0.000982949884883),
        ],
    )
    def test_nanogpt_records(
        self, real_logs: Path, record: str, n: int, mean: float, std: float
    ) -> None:
        """Repeated trainings have the mean and deviation behind their published p-values."""
        found = describe(_final_losses(real_logs, record))
        assert found.n == n
        assert found.mean == pytest.approx(mean, rel=1e-14)
        assert found.std == pytest.approx(std, rel=1e-12)

    def test_nanogpt_interval(self, real_logs: Path) -> None:
        """The 95 % interval over the seven FA3 runs is the one computed beforehand."""
        low, high = t_interval(_final_losses(real_logs, "2025-09-03_FA3"))
        assert low == pytest.approx(3.276055906998, abs=5e-13)
        assert high == pytest.approx(3.277772664430, abs=5e-13)

    @pytest.mark.parametrize(
        ("name", "f", "rel"),
        [
            ("SiRstv", 1.18046237440255, 1e-12),
            ("AtmWtAg", 15.9467335677930, 1e-9),
            ("SmLs01", 21.0, 1e-12),
            ("SmLs02", 201.0, 1e-12),
            ("SmLs03", 2001.0, 1e-12),
            ("SmLs04", 21.0, 1e-8),
            ("SmLs05", 201.0, 1e-8),
            ("SmLs06", 2001.0, 1e-8),
            ("SmLs07", 21.0, 1e-3),
        ],
    )
    def test_nist_certified_variances(
        self, real_logs: Path, name: str, f: float, rel: float
    ) -> None:
        """F from our means and deviations is the certified one, up to an offset of 1e12."""
        groups = [describe(group) for group in _nist_groups(real_logs, name)]
        means = describe(list(itertools.chain.from_iterable([g.mean] * g.n for g in groups)))
        df_between, df_within = len(groups) - 1, sum(g.n - 1 for g in groups)
        between = means.std**2 * (means.n - 1) / df_between
        within = sum(g.std**2 * (g.n - 1) for g in groups) / df_within
        assert between / within == pytest.approx(f, rel=rel)


def test_scipy_stats_stays_unloaded() -> None:
    """The whole package runs without importing scipy.stats, which takes most of a second."""
    script = """
import sys
from dr_gen.stats import aggregate, effect_size, multiplicity, significance
assert "scipy" not in sys.modules
a, b = [1.0, 2.0, 4.0], [2.0, 5.0, 7.0]
aggregate.band([a, b])
significance.welch(a, b), effect_size.hedges_g(a, b), effect_size.cliffs_delta(a, b)
multiplicity.adjust([0.1, 0.2])
assert "scipy.stats" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def _final_losses(real_logs: Path, record: str) -> list[float]:
    folder = real_logs / "nanogpt-records-a" / "records" / "track_1_short" / record
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} among the real logs")
    last = re.compile(r"^step:(\d+)/\1 val_loss:(\S+)", re.MULTILINE)
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*-*-*-*-*.txt"))]
    return [float(match.group(2)) for text in texts for match in last.finditer(text)]


def _nist_groups(real_logs: Path, name: str) -> list[list[float]]:
    path = real_logs / "ref-nist-anova/scipy/stats/tests/data/nist_anova" / f"{name}.dat"
    if not path.is_file():
        pytest.skip(f"no {name}.dat among the real logs")
    groups = defaultdict(list)
    for line in path.read_text(encoding="ascii").splitlines()[60:]:
        treatment, response = line.split()
        groups[treatment].append(float(response))
    return list(groups.values())
