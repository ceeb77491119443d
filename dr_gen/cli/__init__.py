"""The command line, ``dr-gen``."""

from __future__ import annotations

from dr_gen.cli.main import main

__all__ = ["main"]
