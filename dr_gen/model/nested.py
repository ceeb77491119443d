"""Looking into objects by dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dr_gen.model.hpm import MISSING

__all__ = ["entry_or_attribute"]


def entry_or_attribute(item: Any, key: str) -> Any:
    """What an item has under a key: an entry of nested mappings, or attributes of attributes."""
    if isinstance(item, Mapping) and key in item:
        return item[key]
    name, dot, rest = key.partition(".")
    is_mapping = isinstance(item, Mapping)
    found = item.get(name, MISSING) if is_mapping else getattr(item, name, MISSING)
    return entry_or_attribute(found, rest) if dot and found is not MISSING else found
