"""The version of dr_gen, written here alone: the metadata of the package take it from here.

To ask the metadata takes longer than to open a store.
"""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
