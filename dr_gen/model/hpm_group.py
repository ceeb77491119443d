"""What was swept: which hyperparameters vary over the runs of a group."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from dr_gen.errors import AmbiguousNameError, UnknownKeyError
from dr_gen.model.codes import places
from dr_gen.model.column import array_of
from dr_gen.model.hpm import MISSING, Hpm, canonical
from dr_gen.model.hpm_table import HpmTable, value_order
from dr_gen.model.labels import Labels
from dr_gen.model.noise import NOISE_KEYS, is_noise, seed_key

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Configuration", "HpmGroup"]


@attrs.frozen
class Configuration:
    """One combination of important hyperparameters and the runs that have it.

    Attributes
    ----------
    hpms : Hpm
        The important keys with their values; `MISSING` for a key that the runs lack.
    runs : tuple of str
        Ids of its runs (its seeds, or replicates), in the order of the group.
    """

    hpms: Hpm
    runs: tuple[str, ...]


@attrs.frozen(eq=False, repr=False)
class HpmGroup:
    """The hyperparameters of all runs of a group, looked at together.

    Importance is a property of the group, never of a single `Hpm`: a key is important when it
    varies and is not noise.

    Attributes
    ----------
    table : HpmTable
        The columns.
    indices : intp array, dims (run,)
        The runs of the group in the table.
    ids : tuple of str
        Their ids.
    noise : tuple of str
        Patterns of keys that are not important even when they vary (`NOISE_KEYS`).
    labels : Labels
        Display names.
    unconfigured : frozenset of int
        Runs of the table whose configuration could not be read. They are a configuration of
        their own, but make no key vary: nothing is known of what they used.

    Examples
    --------
    >>> g = HpmGroup.from_hpms([Hpm({"lr": 0.1, "seed": s}) for s in (0, 1)] + [Hpm({"seed": 0})])
    >>> g.important, g.excluded
    (('lr',), ('seed',))
    >>> g.varying["lr"]
    [MISSING, 0.1]
    >>> g.sweep_table()
    (['lr', 'Count'], [['-', 1], ['0.1', 2]])
    """

    table: HpmTable
    indices: NDArray[np.intp]
    ids: tuple[str, ...]
    noise: tuple[str, ...] = NOISE_KEYS
    labels: Labels = attrs.field(factory=Labels)
    unconfigured: frozenset[int] = frozenset()

    @classmethod
    def from_hpms(
        cls,
        hpms: Sequence[Hpm | Mapping[str, Any]],
        ids: Sequence[str] | None = None,
        noise: Sequence[str] = NOISE_KEYS,
        labels: Labels | None = None,
    ) -> HpmGroup:
        """A group from hyperparameters alone; ids default to the numbers of the rows."""
        rows = [h if isinstance(h, Hpm) else Hpm(h) for h in hpms]
        names = tuple(ids) if ids is not None else tuple(str(i) for i in range(len(rows)))
        runs = np.arange(len(rows), dtype=np.intp)
        table = HpmTable.from_mappings(rows)
        return cls(table, runs, names, tuple(noise), labels or Labels())

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """Every key that a run of the group has."""
        return self.table.present(self.indices)

    @functools.cached_property
    def _varying_keys(self) -> tuple[str, ...]:
        known = [index for index in self.indices.tolist() if index not in self.unconfigured]
        return self.table.varying(np.array(known, np.intp))

    @functools.cached_property
    def varying(self) -> dict[str, list[Any]]:
        """Each key that varies, noise included, with its values in order."""
        return {key: self.table.distinct(key, self.indices) for key in sorted(self._varying_keys)}

    @functools.cached_property
    def important(self) -> tuple[str, ...]:
        """Keys that vary and are not noise, sorted."""
        return tuple(sorted(k for k in self._varying_keys if not is_noise(k, self.noise)))

    @functools.cached_property
    def excluded(self) -> tuple[str, ...]:
        """Keys that vary but are noise, sorted."""
        return tuple(sorted(k for k in self._varying_keys if is_noise(k, self.noise)))

    @functools.cached_property
    def seed(self) -> str | None:
        """The key that holds the seed, if there is one."""
        return seed_key(self.keys)

    @functools.cached_property
    def run_index(self) -> xr.IndexVariable:
        """The ids for labelled arrays, dims (run,)."""
        import xarray as xr

        return xr.Variable(("run",), list(self.ids)).to_index_variable()

    @functools.cached_property
    def coordinates(self) -> dict[str, xr.Variable]:
        """Important keys, and the seed as ``seed``, for labelled arrays, dims (run,).

        They can be written to: whoever hands one to others has to copy it.
        """
        import xarray as xr

        keys = {key: key for key in self.important}
        if self.seed is not None:
            keys["seed"] = self.seed
        found = {}
        for name, key in keys.items():
            values, codes = self.table.coded(key, self.indices)
            # Without the fast path xarray would have pandas guess a type, and lose the nulls.
            found[name] = xr.Variable(("run",), array_of(values)[codes], fastpath=True)
        return found

    def values(self, key: str) -> list[Any]:
        """The value of a key (real or display name) in each run, `MISSING` where it has none.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.
        """
        return self.table.column(self.real_key(key), self.indices)

    def real_key(self, name: str) -> str:
        """The dotted key that a real or display name means.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.
        """
        key = self.labels.real_key(name, self.keys)
        if key is None:
            raise UnknownKeyError("hyperparameter", name, self.keys)
        return key

    def real_value(self, name: str, shown: Any) -> Any:
        """The value of a key that a display text, or the value itself, means.

        Comes back unchanged when no run has such a value.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.

        Examples
        --------
        >>> labels = Labels(values={"w": {None: "random"}})
        >>> g = HpmGroup.from_hpms([{"w": None, "lr": 1e-4}], labels=labels)
        >>> g.real_value("W", "Random") is None, g.real_value("lr", "1e-4")
        (True, 0.0001)
        """
        key = self.real_key(name)
        return self.labels.real_value(key, shown, self.table.distinct(key, self.indices))

    def excluding(self, *patterns: str) -> HpmGroup:
        """The same runs with further keys taken for noise, by whole dotted parts and globs."""
        return attrs.evolve(self, noise=(*self.noise, *patterns))

    def including(self, *patterns: str) -> HpmGroup:
        """The same runs with keys that are noise taken for important where they vary."""
        return attrs.evolve(self, noise=(*self.noise, *(f"!{pattern}" for pattern in patterns)))

    def members(self, keys: Sequence[str]) -> list[tuple[Hpm, NDArray[np.intp]]]:
        """Combinations of `keys` in order of their values, with positions in the group.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.
        """
        keys = [self.real_key(key) for key in keys]
        codes, first = self.table.combinations(keys, self.indices)
        if not len(first):
            return []
        positions = places(codes)
        columns = [self.table.column(key, self.indices[first]) for key in keys]
        rows = list(zip(*columns, strict=True)) if keys else [()]
        order = sorted(range(len(rows)), key=lambda i: [value_order(v) for v in rows[i]])
        named = [Hpm.from_plain(dict(zip(keys, row, strict=True))) for row in rows]
        return [(named[i], positions[i]) for i in order]

    @functools.cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """Every combination of the important keys that occurs, in order of the values."""
        return tuple(
            Configuration(hpm, tuple(self.ids[p] for p in positions.tolist()))
            for hpm, positions in self.members(self.important)
        )

    def configuration(self, wanted: str | Mapping[str, Any]) -> Configuration:
        """The configuration that is described so (`describe`), or has these values.

        Parameters
        ----------
        wanted : str or mapping
            A description, in any case; or keys to values, real or as shown, enough of them to
            mean one configuration.

        Raises
        ------
        UnknownKeyError
            If there is none, or no run has a key.
        AmbiguousNameError
            If there are several.
        """
        if isinstance(wanted, str):
            folded = " ".join(wanted.split()).casefold()
            found = [c for c in self.configurations if self.describe(c.hpms).casefold() == folded]
        else:
            keys = {name: self.real_key(name) for name in wanted}
            values = {key: self.real_value(key, wanted[name]) for name, key in keys.items()}
            found = [
                c
                for c in self.configurations
                if all(canonical(c.hpms.get(k, MISSING)) == canonical(values[k]) for k in values)
            ]
        name = wanted if isinstance(wanted, str) else self.labels.configuration(wanted)
        if not found:
            known = tuple(self.describe(c.hpms) for c in self.configurations)
            raise UnknownKeyError("configuration", name, known)
        if len(found) > 1:
            known = tuple(self.describe(c.hpms) for c in found)
            raise AmbiguousNameError("configuration", name, known)
        return found[0]

    @functools.cached_property
    def _alike(self) -> dict[str, frozenset[str]]:
        """For keys with texts and other values what the others look like."""
        return {
            key: frozenset(self.labels.value(key, v) for v in values if not isinstance(v, str))
            for key in self.table.mixed(self.keys)
            for values in [self.table.distinct(key, self.indices)]
        }

    def text(self, key: str, value: Any) -> str:
        """Display text of a value; quoted when another value of the key would look like it."""
        shown = self.labels.value(key, value)
        alike = shown == value and shown in self._alike.get(key, ())
        return repr(value) if alike else shown

    def describe(self, hpm: Mapping[str, Any]) -> str:
        """A configuration in display names: ``Init=random LR=0.1``; ``all runs`` for none.

        In the order of the real keys, whatever the order they are given in, as `str` of an `Hpm`.
        """
        names = self.labels.key_names(list(hpm))
        shown = " ".join(f"{names[key]}={self.text(key, hpm[key])}" for key in sorted(hpm))
        return shown or "all runs"

    def swept_table(self) -> tuple[list[str], list[list[list[str]]]]:
        """Header and one group of rows a key: each important key with its values."""
        names = self.labels.key_names(self.important)
        groups = []
        for key in self.important:
            shown = self.labels.texts(key, self.varying[key])
            groups.append([[names[key] if i == 0 else "", v] for i, v in enumerate(shown)])
        return ["Key", "Values"], groups

    def sweep_table(self) -> tuple[list[str], list[list[Any]]]:
        """Header and one row a configuration: its values and its number of runs."""
        names = self.labels.key_names(self.important)
        rows: list[list[Any]] = [
            [*(self.text(k, v) for k, v in c.hpms.items()), len(c.runs)]
            for c in self.configurations
        ]
        return [*names.values(), "Count"], rows

    def cross_table(self, down: str, across: str) -> tuple[list[str], list[list[Any]]]:
        """Header and one row a value of `down`: the number of runs for each value of `across`.

        Parameters
        ----------
        down, across : str
            Keys, real or display names.

        Raises
        ------
        UnknownKeyError
            If no run has such a key.

        Examples
        --------
        >>> cells = [(0.1, 0), (0.2, 0), (0.1, 1)]
        >>> g = HpmGroup.from_hpms([{"lr": lr, "wd": wd} for lr, wd in cells])
        >>> g.cross_table("lr", "wd")
        (['lr / wd', '0', '1'], [['0.1', 1, 1], ['0.2', 1, 0]])
        """
        keys = [self.real_key(down), self.real_key(across)]
        values = [self.table.distinct(key, self.indices) for key in keys]
        texts = [self.labels.texts(*pair) for pair in zip(keys, values, strict=True)]
        places = [{canonical(v): i for i, v in enumerate(column)} for column in values]
        counts = np.zeros([len(column) for column in values], np.intp)
        for hpm, positions in self.members(keys):
            row, column = (places[i][canonical(hpm[key])] for i, key in enumerate(keys))
            counts[row, column] = len(positions)
        names = self.labels.key_names(keys)
        header = [" / ".join(names[key] for key in keys), *texts[1]]
        return header, [[text, *row] for text, row in zip(texts[0], counts.tolist(), strict=True)]

    def __repr__(self) -> str:
        names = self.labels.key_names(self.important)
        swept = ", ".join(f"{name} ({len(self.varying[key])})" for key, name in names.items())
        count = len(self.configurations)
        return (
            f"HpmGroup({len(self.ids)} runs, {count} configurations; swept: {swept or 'nothing'})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        header, rows = self.sweep_table()
        head = "".join(f"<th>{escape(str(name))}</th>" for name in header)
        cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
