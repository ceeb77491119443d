"""For tests of code that uses dr_gen: strategies for every class of the model, and contracts.

The strategies are for hypothesis. Each takes strategies as arguments, so that a test can narrow
what it does not mean to vary, and without arguments gives what real logs have taught us to
expect: NaN and infinities, missing and repeated x, text x, unicode, null, huge integers, keys
that only some runs have.

>>> from hypothesis import given, settings
>>> from hypothesis import strategies as st
>>> from dr_gen.testing import groups, runs
>>> @settings(max_examples=5)
... @given(groups(runs(splits=st.just("val")), min_size=1))
... def test_every_run_is_found_by_its_id(group):
...     assert all(group[run.id] == run for run in group)
>>> test_every_run_is_found_by_its_id()

`ReaderContract` is what every reader of a format has to pass; a subclass says how to write a file
in the format, and pytest does the rest.

This module needs the packages hypothesis and pytest, as installed with ``dr_gen[test]``.
"""

from __future__ import annotations

import pytest

# Before the import of the contract: pytest then shows the values in its failed assertions.
pytest.register_assert_rewrite("dr_gen.testing.reader_contract")

from dr_gen.testing.logs import log_lines, log_rows  # noqa: E402
from dr_gen.testing.reader_contract import ReaderContract  # noqa: E402
from dr_gen.testing.runs import blocks, curves, groups, metadata, runs  # noqa: E402
from dr_gen.testing.values import (  # noqa: E402
    findings,
    hpm_keys,
    hpm_values,
    hpms,
    labels,
    metric_values,
    names,
    xs,
)

__all__ = [
    "ReaderContract",
    "blocks",
    "curves",
    "findings",
    "groups",
    "hpm_keys",
    "hpm_values",
    "hpms",
    "labels",
    "log_lines",
    "log_rows",
    "metadata",
    "metric_values",
    "names",
    "runs",
    "xs",
]
