"""Whether a sweep can answer what it was run for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

from dr_gen.analysis.design.columns import Column, Columns
from dr_gen.analysis.design.drift import drift_issues, logged_environment
from dr_gen.analysis.design.grid import Grid, grid_issues, grids
from dr_gen.analysis.design.hidden import hidden_issues
from dr_gen.analysis.design.issue import DesignIssue
from dr_gen.analysis.design.replicates import is_seed, replicate_issues, seeds_of
from dr_gen.analysis.design.roles import Roles, roles, roles_of
from dr_gen.analysis.design.spelling import mixed_numbers, one_spelling
from dr_gen.analysis.design.sweep import Sweep
from dr_gen.analysis.samples import group_keys
from dr_gen.model.codes import Codes
from dr_gen.model.finding import Severity
from dr_gen.model.group import RunGroup
from dr_gen.model.hpm_group import HpmGroup

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DesignCheck", "check_design"]

_SAMPLE: Final = 100


@attrs.frozen
class DesignCheck:
    """What was swept, and what the choice of runs does not allow to say.

    Attributes
    ----------
    n_runs : int
        Runs whose configuration is known.
    n_configurations : int
        Combinations of the keys that were swept.
    keys : tuple of str
        The keys that were swept; not always those that the group takes for it, see `issues`.
    grids : tuple of Grid
        The grid; several where some configurations have keys that others lack.
    seed : str or None
        The key that tells the runs of a configuration apart.
    seeds : tuple of int
        Fewest and most seeds of a configuration.
    issues : tuple of DesignIssue
        The gravest first.
    """

    n_runs: int
    n_configurations: int
    keys: tuple[str, ...]
    grids: tuple[Grid, ...]
    seed: str | None
    seeds: tuple[int, int]
    issues: tuple[DesignIssue, ...]

    @property
    def n_cells(self) -> int:
        """Cells of all grids, with and without runs."""
        return sum(grid.n_cells for grid in self.grids)

    @property
    def complete(self) -> bool:
        """Whether every cell has a run."""
        return self.n_cells == self.n_configurations

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each issue, each once."""
        return tuple(dict.fromkeys(issue.code for issue in self.issues))

    @property
    def failed(self) -> bool:
        """Whether there is an issue of severity error."""
        return any(issue.severity is Severity.ERROR for issue in self.issues)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict an issue, in plain data."""
        return [issue.to_dict() for issue in self.issues]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "n_runs": self.n_runs,
            "n_configurations": self.n_configurations,
            "n_cells": self.n_cells,
            "complete": self.complete,
            "keys": list(self.keys),
            "seed": self.seed,
            "seeds": list(self.seeds),
            "grids": [grid.to_dict() for grid in self.grids],
            "issues": self.to_dicts(),
        }

    def to_frame(self) -> pl.DataFrame:
        """One row an issue."""
        import polars as pl

        kinds = {name: pl.String() for name in ("severity", "code", "what")}
        lists = {name: pl.List(pl.String) for name in ("keys", "runs")}
        return pl.DataFrame(self.to_dicts(), schema={**kinds, **lists, "hint": pl.String()})


def check_design(group: RunGroup, *, by: Sequence[str] | None = None) -> DesignCheck:
    """Whether a sweep can answer what it was run for.

    Looks for cells of the grid without a run, copies, seeds that are unequal or not the same,
    keys that always change together, keys that were taken for swept or for noise and are not,
    one value written in two ways, and code or machines that changed on the way.

    Parameters
    ----------
    group : RunGroup
    by : sequence of str, optional
        The hyperparameters that were swept, real or display names; those that do not vary are left
        out. By default the important ones, without those that look like a seed or like noise.

    Raises
    ------
    UnknownKeyError
        If no run has a key.

    Examples
    --------
    >>> from dr_gen.model.run import RunData
    >>> group = RunGroup.from_runs([
    ...     RunData.from_dict({"id": f"{lr}-{wd}-{s}", "hpms": {"lr": lr, "wd": wd, "seed": s}})
    ...     for lr in (0.1, 0.2) for wd in (0.0, 0.5) for s in (0, 1) if (lr, wd) != (0.2, 0.5)
    ... ])
    >>> found = check_design(group)
    >>> found.complete, found.codes, [dict(cell) for cell in found.grids[0].missing]
    (False, ('missing-cells',), [{'lr': 0.2, 'wd': 0.5}])
    """
    hpms = group.hpm_group
    asked = None if by is None else group_keys(group, by)
    unknown = group.table.unconfigured
    known = [i for i, run in enumerate(group.indices.tolist()) if run not in unknown]
    positions = np.array(known, np.intp)
    issues = _unconfigured(group, positions)
    if not len(positions):
        return DesignCheck(0, 0, (), (), hpms.seed, (0, 0), tuple(issues))
    columns = Columns.of(hpms, positions)
    wanted = [key for key in (hpms.important if asked is None else asked) if key in columns]
    columns, respelled = one_spelling(columns, wanted, hpms, positions)
    wanted = [key for key in wanted if key in columns]
    parts = _roles(columns, wanted, _seed(hpms, columns, positions), group, asked is not None)
    sweep = Sweep(hpms, columns, positions, parts.factors, parts.seed, parts.seeds, parts.noise)
    found, depends, apart = grids(sweep)
    sweep = attrs.evolve(sweep, named_by=_named_by(sweep, found))
    counts = seeds_of(sweep)
    statuses = np.array(group.statuses, object)[positions]
    suspected = {key for issue in parts.issues for key in issue.keys}
    issues += [
        *parts.issues,
        *respelled,
        *mixed_numbers(hpms, positions),
        *hidden_issues(sweep, suspected),
        *grid_issues(sweep, found, depends, apart),
        *replicate_issues(sweep, statuses),
        *drift_issues(sweep, _environment(group, positions)),
    ]
    return DesignCheck(
        sweep.n_runs,
        sweep.n_configurations,
        sweep.factors,
        found,
        sweep.seed,
        (int(counts.min()), int(counts.max())),
        tuple(sorted(issues, key=lambda issue: -issue.severity.rank)),
    )


def _seed(hpms: HpmGroup, columns: Columns, positions: Codes) -> str | None:
    """The key that holds the seed; none if it is null, or no number or name, in all runs."""
    if hpms.seed is None or hpms.seed in columns:
        return hpms.seed
    (value,) = hpms.table.column(hpms.seed, hpms.indices[positions[:1]])
    return hpms.seed if is_seed(value) else None


def _roles(
    columns: Columns, wanted: Sequence[str], seed: str | None, group: RunGroup, asked: bool
) -> Roles:
    if asked:
        return roles_of(columns, wanted, None if seed in wanted else seed)
    return roles(columns, wanted, seed, group.labels)


def _named_by(sweep: Sweep, found: Sequence[Grid]) -> tuple[str, ...]:
    """The factors without those that go with others."""
    enough = {key for grid in found for key in (*grid.keys, *grid.where)}
    return tuple(key for key in sweep.factors if key in enough)


def _environment(group: RunGroup, positions: Codes) -> list[Column]:
    """Code and machines as the metadata tells; records are read only if some of them do."""
    records, runs = group.table.records, group.indices[positions]
    # A tracker writes them for every run or for none, and to read all records takes longest.
    sample = runs[np.linspace(0, len(runs) - 1, min(len(runs), _SAMPLE)).astype(np.intp)]
    if not logged_environment([records[i].metadata for i in sample.tolist()]):
        return []
    return logged_environment([records[i].metadata for i in runs.tolist()])


def _unconfigured(group: RunGroup, positions: Codes) -> list[DesignIssue]:
    lost = np.setdiff1d(np.arange(len(group)), positions).tolist()
    if not lost:
        return []
    what = f"the configuration of {len(lost):,} runs could not be read; they are left out here"
    runs = tuple(group.ids[i] for i in lost)
    hint = "`dr-gen check` says why"
    return [DesignIssue("no-configuration", Severity.WARNING, what, (), runs, hint)]
