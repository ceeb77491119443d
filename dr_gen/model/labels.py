"""What hyperparameters are called where people see them."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs

from dr_gen.model.hpm import MISSING, canonical, format_value

__all__ = ["Labels"]


def _frozen_keys(keys: Mapping[str, str]) -> dict[str, str]:
    return dict(keys)


def _frozen_values(values: Mapping[str, Mapping[Any, str]]) -> dict[str, dict[Any, str]]:
    return {key: dict(by_value) for key, by_value in values.items()}


@attrs.frozen
class Labels:
    """Display names for keys and values, readable in both directions.

    Attributes
    ----------
    keys : mapping
        Dotted key to display name. A key without one shows as its last dotted part.
    values : mapping
        Dotted key to a mapping from value to display text. The text ``"None"`` stands for null
        as well, since older logs write it so.

    Examples
    --------
    >>> labels = Labels({"model.weights": "Init"}, {"model.weights": {None: "random"}})
    >>> labels.key("model.weights"), labels.value("model.weights", None), labels.key("optim.lr")
    ('Init', 'random', 'lr')
    >>> labels.real_key("init ", ["model.weights", "optim.lr"])
    'model.weights'
    >>> labels.real_value("model.weights", "random", [None, "DEFAULT"]) is None
    True
    """

    keys: Mapping[str, str] = attrs.field(factory=dict, converter=_frozen_keys)
    values: Mapping[str, Mapping[Any, str]] = attrs.field(factory=dict, converter=_frozen_values)

    def key(self, key: str) -> str:
        """Display name of a key."""
        return self.keys.get(key) or key.rsplit(".", 1)[-1]

    def value(self, key: str, value: Any) -> str:
        """Display text of a value of a key; ``-`` for a key that a run does not have."""
        if value is MISSING:
            return "-"
        wanted = _folded(value)
        for real, shown in self.values.get(key, {}).items():
            if _folded(real) == wanted:
                return shown
        return format_value(value)

    def key_names(self, keys: Sequence[str]) -> dict[str, str]:
        """Display names for several keys; those that would be equal keep their full key."""
        names = {key: self.key(key) for key in keys}
        taken = list(names.values())
        return {key: name if taken.count(name) == 1 else key for key, name in names.items()}

    def real_key(self, name: str, known: Sequence[str]) -> str | None:
        """The key meant by a real or display name (any case), or None.

        Parameters
        ----------
        name : str
            ``__`` reads as a dot.
        known : sequence of str
            The keys there are.
        """
        dotted = name if name in known else name.replace("__", ".")
        if dotted in known:
            return dotted
        folded = dotted.strip().casefold()
        if not folded:
            return None
        given = [key for key in known if self.keys.get(key, "").casefold() == folded]
        if given:
            return given[0]
        hits = [key for key in known if folded in (key.casefold(), self.key(key).casefold())]
        # A key keeps its last part as a name when it is given another to show.
        hits = hits or [key for key in known if folded == key.rsplit(".", 1)[-1].casefold()]
        return hits[0] if len(hits) == 1 else None

    def real_value(self, key: str, shown: Any, known: Sequence[Any]) -> Any:
        """The value meant by a display text, by a number as text, or by the value itself.

        `known` are the values that occur; `shown` comes back unchanged when none of them is meant.
        """
        if any(canonical(value) == canonical(shown) for value in known) or shown is None:
            return shown
        if not isinstance(shown, str):
            return shown
        for value in known:
            if self.value(key, value).casefold() == shown.strip().casefold():
                return value
        # A number may be written in many ways: 1e-4 is 0.0001.
        number = _number(shown)
        return next((v for v in known if number is not None and canonical(v) == number), shown)

    def texts(self, key: str, values: Sequence[Any]) -> list[str]:
        """Display texts of several values of a key, beside each other.

        Where a text and another value would look the same, the text is quoted.

        Examples
        --------
        >>> Labels().texts("lr", [0.1, "0.1", MISSING])
        ['0.1', "'0.1'", '-']
        """
        shown = [self.value(key, value) for value in values]
        others = {text for text, v in zip(shown, values, strict=True) if not isinstance(v, str)}
        return [
            repr(value) if isinstance(value, str) and text == value and text in others else text
            for text, value in zip(shown, values, strict=True)
        ]

    def configuration(self, hpm: Mapping[str, Any], keys: Sequence[str] | None = None) -> str:
        """One line such as ``Init=random LR=0.01``: `keys` in their order, else all, sorted."""
        chosen = sorted(hpm) if keys is None else list(keys)
        names = self.key_names(chosen)
        return " ".join(f"{names[k]}={self.value(k, hpm.get(k, MISSING))}" for k in chosen)


def _number(text: str) -> Hashable | None:
    """What a text says as a number, as `canonical` has it."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return canonical(kind(text))
    return None


def _folded(value: Any) -> Any:
    return canonical(None if value == "None" else value)
