"""What figures show, whether it can be read, and whether they are the same every time."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from dr_gen.analysis.seeds import summarize
from dr_gen.errors import UnknownKeyError, UsageError
from dr_gen.model.group import RunGroup
from dr_gen.model.run import RunData
from dr_gen.plots.curves import plot_curves
from dr_gen.plots.panels import plot_runs
from dr_gen.plots.ranking import plot_ranking
from dr_gen.plots.style import COLOURS, figure_bytes, figure_files, save, styled
from dr_gen.plots.traces import finite_limits, thin, traces

LONG = "a very long name of a thing that was swept because it mattered to somebody " * 3


def sweep(
    names: list[Any], seeds: int = 3, epochs: int = 8, failed: int = 0, metric: str = "val/acc1"
) -> RunGroup:
    """Rising curves; `failed` runs of the first configuration diverge."""
    noise = np.random.default_rng(0)
    runs = []
    for rank, name in enumerate(names):
        for seed in range(seeds):
            values = 50.0 + 5 * rank + np.arange(epochs) + noise.normal(0, 1, epochs)
            diverged = rank == 0 and seed < failed
            if diverged:
                values[epochs // 2 :] = [1e9, *[math.nan] * (epochs - epochs // 2 - 1)]
            runs.append(
                RunData.from_dict(
                    {
                        "id": f"{rank}-{seed}",
                        "status": "diverged" if diverged else "completed",
                        "hpms": {"name": name, "seed": seed},
                        "curves": {metric: {"x": {"epoch": list(range(epochs))}, "values": values}},
                    }
                )
            )
    return RunGroup.from_runs(runs)


def figures(group: RunGroup) -> list[Figure]:
    """Every kind of figure of a group."""
    return [plot_curves(group), plot_runs(group), plot_ranking(summarize(group), group)]


def drawn(figure: Figure) -> FigureCanvasAgg:
    """The canvas of a figure, with everything in its place."""
    canvas = FigureCanvasAgg(figure)
    with styled():
        canvas.draw()
    return canvas


def visible(figure: Figure) -> list[Text]:
    """Every text that is drawn; an axis has labels beyond its limits too, which are not."""
    drawn(figure)
    beyond = set()
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            for tick in axis.get_major_ticks():
                if not axes.axison or not low <= tick.get_loc() <= high:
                    beyond |= {tick.label1, tick.label2}
    found = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible()]
    return [t for t in found if t.get_text().strip() and t not in beyond]


def texts(figure: Figure) -> list[str]:
    """What every text of a figure says."""
    return [text.get_text() for text in visible(figure)]


def outside(figure: Figure) -> list[str]:
    """Texts that are cut off at the edge of the figure."""
    shown, canvas = visible(figure), drawn(figure)
    width, height = canvas.get_width_height()
    cut = []
    with styled():
        for text in shown:
            box = text.get_window_extent(canvas.get_renderer())
            if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
                cut.append(text.get_text())
    return cut


CASES = {
    "one run": sweep(["a"], seeds=1),
    "one point": sweep(["a", "b"], epochs=1),
    "two seeds": sweep(["a", "b", None], seeds=2),
    "some diverged": sweep(["a", "b"], failed=2),
    "all of one diverged": sweep(["a", "b"], failed=3),
    "all diverged": sweep(["a"], failed=3),
    "long names": sweep([LONG + str(i) for i in range(4)]),
    "odd names": sweep(["$x^2$", "<b>&amp;</b>", "a\nb", "$", "漢字 \U0001f600", "\udcff"]),
    "forty": sweep(list(range(40)), seeds=2),
}


@pytest.mark.parametrize("case", CASES)
def test_every_text_is_inside_the_figure(case: str) -> None:
    """No label, legend, title or caption is cut off, however long or odd the names are."""
    for figure in figures(CASES[case]):
        assert min(figure.get_size_inches()) > 1
        assert outside(figure) == []


@pytest.mark.parametrize("case", CASES)
def test_axes_do_not_overlap_and_have_room(case: str) -> None:
    """Every panel has a size worth looking at, and none lies over another."""
    for figure in figures(CASES[case]):
        drawn(figure)
        boxes = [axes.get_window_extent() for axes in figure.axes if axes.axison]
        assert all(box.width > 60 and box.height > 20 for box in boxes)
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_the_same_runs_give_the_same_bytes() -> None:
    """SVG, PNG and PDF carry no date and no random ids."""
    for kind in ("svg", "png", "pdf"):
        first, second = ([figure_bytes(f, kind) for f in figures(sweep(["a", "b"]))] for _ in "ab")
        assert first == second


def test_a_figure_file_is_what_its_suffix_says(tmp_path: Any) -> None:
    """`save` writes the kind that the suffix names."""
    for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        save(plot_curves(sweep(["a"])), tmp_path / f"f.{suffix}")
        assert (tmp_path / f"f.{suffix}").read_bytes().startswith(start)


def test_nothing_global_changes() -> None:
    """Drawing and saving leave matplotlib's settings as they were."""
    before = dict(matplotlib.rcParams)
    for figure in figures(sweep(["a", "b"])):
        figure_bytes(figure, "svg")
    assert dict(matplotlib.rcParams) == before


def test_the_band_says_kind_level_and_n() -> None:
    """Caption and legend tell what the band is, at which level, over how many of how many runs."""
    group = sweep(["a", "b"], failed=1)
    shown = " ".join(" ".join(texts(plot_curves(group, level=0.9))).split())
    assert "90 % Student-t interval" in shown
    assert "n = 2 of 3" in shown
    assert "n = 3 of 3" in shown
    assert "1 of 6 runs are in no mean" in shown
    assert "higher is better" in shown
    assert "standard deviation (ddof = 1)" in " ".join(texts(plot_curves(group, band="std")))
    loss = plot_curves(sweep(["a", "b"], metric="val/loss"))
    assert "lower is better" in " ".join(texts(loss))


def test_the_mean_line_is_the_mean_of_the_used_runs() -> None:
    """The drawn line and band are those of the completed runs alone."""
    group = sweep(["a", "b"], failed=1)
    axes = plot_curves(group).axes[0]
    values = group.curves("val/acc1").values
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    label = next(name for name in lines if "name=a" in name)
    assert np.allclose(np.asarray(lines[label], float), values[1:3].mean(axis=0))


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_drawn_band_is_the_interval_at_its_level(level: float) -> None:
    """The shaded area reaches from the lower to the upper bound of the t interval at each x."""
    group = sweep(["a"])
    axes = plot_curves(group, level=level).axes[0]
    values = group.curves("val/acc1").values
    half = stats.t.ppf((1 + level) / 2, 2) * values.std(axis=0, ddof=1) / math.sqrt(3)
    wanted = np.concatenate([values.mean(axis=0) - half, values.mean(axis=0) + half])
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert all(np.isclose(corners, bound).any() for bound in wanted)
    assert corners.min() == pytest.approx(wanted.min())
    assert corners.max() == pytest.approx(wanted.max())


def test_the_best_few_are_in_colour_and_the_others_grey() -> None:
    """With many configurations the legend names the best ones, in order of rank."""
    figure = plot_curves(sweep(list(range(9))))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [entry.split(".")[0] for entry in legend] == list("123456")
    assert legend[0].startswith("1. name=8 ")
    assert len(plot_curves(sweep(list(range(9))), max_configurations=2).legends[0].get_texts()) == 2
    assert len(set(COLOURS)) == 6


def test_one_exploding_run_does_not_flatten_the_others() -> None:
    """The y-axis of a figure with a run at 1e9 is that of the runs that did not explode."""
    for figure in (plot_curves(sweep(["a", "b"], failed=1)), plot_runs(sweep(["a"], failed=2))):
        low, high = figure.axes[0].get_ylim()
        assert 0 < low < high < 200


def test_each_run_is_a_dot_in_the_ranking() -> None:
    """The ranking draws mean, interval and the value of every run, best on top."""
    group = sweep(["a", "b"])
    summary = summarize(group)
    axes = plot_ranking(summary, group).axes[0]
    lines = [np.asarray(line.get_xdata(), float).tolist() for line in axes.lines]
    assert lines[0] == list(summary.rows[0].values)
    assert lines[1] == [summary.rows[0].mean]
    assert lines[2] == [summary.rows[0].ci_low, summary.rows[0].ci_high]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["name=b", "name=a"]
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_wrong_arguments_are_told() -> None:
    """Unknown bands and axes, and axes of text, raise our own errors."""
    group = sweep(["a"])
    with pytest.raises(UsageError, match="band"):
        plot_curves(group, band="sem")
    with pytest.raises(UnknownKeyError, match="epoch"):
        plot_curves(group, x="epochs")
    words = {"x": {"phase": ["warm", "late"]}, "values": [1.0, 2.0]}
    text = RunGroup.from_runs([RunData.from_dict({"id": "a", "curves": {"val/acc1": words}})])
    with pytest.raises(UsageError, match="text"):
        plot_curves(text)


def test_runs_logged_at_different_steps_share_a_mean() -> None:
    """Means use interpolation inside each run's own range only, and the figure says so."""
    points = {"a": ([0, 4], [0.0, 4.0]), "b": ([0, 2, 6], [0.0, 2.0, 6.0])}
    runs = [
        RunData.from_dict({"id": n, "curves": {"val/acc1": {"x": {"step": xs}, "values": v}}})
        for n, (xs, v) in points.items()
    ]
    group = RunGroup.from_runs(runs)
    (trace,) = traces(group, summarize(group))
    assert trace.grid.tolist() == [0, 2, 4, 6]
    assert trace.band.n.tolist() == [2, 2, 2, 1]
    assert trace.band.mean.tolist() == [0, 2, 4, 6]
    assert trace.interpolated
    assert any("interpolated" in text for text in texts(plot_curves(group)))


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300),
    limit=st.integers(4, 50),
)
def test_thinning_keeps_ends_and_extremes(values: list[float], limit: int) -> None:
    """A thinned curve has the ends, minimum and maximum of the whole one, at their own x."""
    xs, ys = thin(np.arange(len(values), dtype=float), np.array(values), limit=limit)
    assert len(xs) <= max(len(values) if len(values) <= limit else 0, limit + 4)
    assert [values[int(x)] for x in xs] == ys.tolist()
    assert (xs[0], xs[-1]) == (0, len(values) - 1)
    assert (ys.min(), ys.max()) == (min(values), max(values))


@given(values=st.lists(st.floats(-100, 100), min_size=60, max_size=90))
def test_limits_hold_the_bulk_and_leave_out_the_far(values: list[float]) -> None:
    """Most values are inside the limits, and a value that is far away never sets them."""
    limits = finite_limits([np.array([*values, 1e30, math.nan, math.inf])])
    assert limits is not None
    low, high, cut = limits
    spread = np.quantile(values, 0.99) - np.quantile(values, 0.01)
    inside = [v for v in values if low <= v <= high]
    assert len(inside) >= 0.9 * len(values)
    if spread > 1:
        assert cut
        assert high < 1e4
    assert finite_limits([np.array([math.nan])]) is None


@pytest.mark.parametrize("plot", [plot_curves, plot_runs])
def test_several_kinds_of_file_show_the_same(plot: Any) -> None:
    """Arranged once, a figure is in its files what it is in each alone, and stays arranged."""
    alone, figure = plot(sweep([0.1, 0.2], failed=1)), plot(sweep([0.1, 0.2], failed=1))
    files = figure_files(figure, ("png", "svg"))
    assert list(files) == ["png", "svg"]
    assert files["png"] == figure_bytes(alone, "png")
    assert files["svg"].count(b"<path") == figure_bytes(alone, "svg").count(b"<path")
    assert figure_files(figure, ("png",))["png"] == files["png"]
