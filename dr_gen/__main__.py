"""``python -m dr_gen`` is ``dr-gen``."""

from __future__ import annotations

import sys

from dr_gen.cli import main

if __name__ == "__main__":
    sys.exit(main())
