"""Display names, in both directions."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.model.hpm import MISSING, canonical
from dr_gen.model.labels import Labels
from dr_gen.testing import hpm_keys, hpm_values, labels

LABELS = Labels(
    {"model.weights": "Init", "optim.lr": "LR"},
    {"model.weights": {None: "random", "DEFAULT": "pretrained"}},
)


@given(labels(), hpm_keys(), hpm_values())
def test_every_key_and_value_has_a_text(labels: Labels, key: str, value: Any) -> None:
    """Nothing is shown as anything but text, and a missing key as a dash."""
    assert isinstance(labels.key(key), str)
    assert isinstance(labels.value(key, value), str)
    assert labels.value(key, MISSING) == "-"
    assert pickle.loads(pickle.dumps(labels)) == labels


@given(labels(), st.lists(hpm_keys(), unique=True))
def test_names_shown_together_are_different(labels: Labels, keys: list[str]) -> None:
    """Keys that would have one display name keep their full one."""
    names = labels.key_names(keys)
    assert list(names) == keys
    shown = [name for key, name in names.items() if name != key]
    assert len(set(shown)) == len(shown)


@given(labels(), st.lists(hpm_keys(), min_size=1, unique=True))
def test_a_real_key_means_itself(labels: Labels, keys: list[str]) -> None:
    """A key wins over a display name that is written alike."""
    for key in keys:
        assert labels.real_key(key, keys) == key


@given(hpm_keys(), st.lists(hpm_values(), min_size=1, max_size=4), labels())
def test_a_real_value_means_itself(key: str, values: list[Any], labels: Labels) -> None:
    """A value that occurs wins over a display text that is written alike."""
    for value in values:
        assert canonical(labels.real_value(key, value, values)) == canonical(value)


@pytest.mark.parametrize(
    "name", ["Init", "init", " INIT ", "model.weights", "model__weights", "weights"]
)
def test_a_key_is_found_from_what_is_shown(name: str) -> None:
    """Case and spaces do not matter in a display name."""
    assert LABELS.real_key(name, ["model.weights", "optim.lr"]) == "model.weights"


def test_a_name_that_means_several_keys_means_none() -> None:
    """The last part names a key only when one key ends so."""
    assert LABELS.real_key("lr", ["a.lr", "b.lr"]) is None
    assert LABELS.real_key("nothing", ["a.lr"]) is None
    assert LABELS.key_names(["a.lr", "b.lr"]) == {"a.lr": "a.lr", "b.lr": "b.lr"}


def test_values_are_found_from_what_is_shown() -> None:
    """Display texts, in any case, and numbers as shown mean the values they stand for."""
    known = [None, "DEFAULT"]
    assert LABELS.real_value("model.weights", "Random", known) is None
    assert LABELS.real_value("model.weights", "pretrained", known) == "DEFAULT"
    assert LABELS.real_value("optim.lr", "0.1", [0.1, 0.2]) == 0.1
    assert LABELS.real_value("optim.lr", "fast", [0.1, 0.2]) == "fast"
    assert LABELS.real_value("optim.lr", None, [0.1]) is None


@given(hpm_keys(), st.lists(hpm_values(nested=False), min_size=1, max_size=4), labels())
def test_a_shown_value_means_a_value_shown_so(key: str, values: list[Any], labels: Labels) -> None:
    """From value to text and back comes a value of the same text: the very one, mostly."""
    for value in values:
        shown = labels.value(key, value)
        found = labels.real_value(key, shown, values)
        assert labels.value(key, found).casefold() == shown.casefold()
        alone = [v for v in values if labels.value(key, v).casefold() == shown.casefold()]
        if len({canonical(v) for v in alone}) == 1 and shown == shown.strip():
            assert canonical(found) == canonical(value)


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1E-04", "+.0001", " 1e-4 "])
def test_a_number_is_found_however_it_is_written(text: str) -> None:
    """Another text of the same number means the number."""
    assert Labels().real_value("wd", text, [0.1, 1e-4]) == 1e-4
    assert Labels().real_value("wd", text, [0.1, 1e-4, text]) == text


@given(hpm_keys(), st.lists(hpm_values(nested=False), max_size=5, unique_by=canonical))
def test_texts_beside_each_other_are_told_apart(key: str, values: list[Any]) -> None:
    """Different values of a key look different, though one is the text of the other."""
    texts = Labels().texts(key, values)
    assert len(texts) == len(values)
    quoted = any(isinstance(v, str) and v[:1] in "'\"" for v in values)
    assert quoted or len(set(texts)) == len(values)


def test_the_text_none_stands_for_null() -> None:
    """A label for null holds for the text that older logs wrote, and the other way round."""
    assert LABELS.value("model.weights", "None") == "random"
    text = Labels(values={"w": {"None": "random"}})
    assert text.value("w", None) == "random"
    assert LABELS.configuration({"model.weights": None, "optim.lr": 0.01}) == "Init=random LR=0.01"


def test_labels_do_not_change_with_what_they_were_made_of() -> None:
    """A display name added to the caller's dict later is not seen."""
    keys: dict[str, str] = {}
    values: dict[str, dict[Any, str]] = {"a": {}}
    made = Labels(keys, values)
    keys["a"] = "A"
    values["a"][1] = "one"
    assert (made.key("a"), made.value("a", 1)) == ("a", "1")


def test_a_blank_is_no_name() -> None:
    """Keys that have no display name are not called by a blank."""
    labels = Labels({"a.b": "x"})
    assert labels.real_key("", ["lr", "a.b"]) is None
    assert labels.real_key("  ", ["lr", "a.b"]) is None
    assert labels.real_key("", ["lr", ""]) == ""
