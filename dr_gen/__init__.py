"""dr_gen turns a folder of deep-learning training runs into claims that hold.

    import dr_gen

    group = dr_gen.load("data/digits")
    dr_gen.summarize(group, "val/acc1@best")

Names are loaded when they are first used, so that the import itself stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dr_gen.analysis.comparison import compare as compare
    from dr_gen.analysis.design.check import check_design as check_design
    from dr_gen.analysis.seeds import summarize as summarize
    from dr_gen.artifacts import artifact_folder as artifact_folder
    from dr_gen.artifacts import iter_artifacts as iter_artifacts
    from dr_gen.config import AnalysisConfig as AnalysisConfig
    from dr_gen.errors import DrGenError as DrGenError
    from dr_gen.ingestion import Run as Run
    from dr_gen.ingestion import ingest as ingest
    from dr_gen.ingestion import load as load
    from dr_gen.ingestion import open_store as open_store
    from dr_gen.model.collection import Collection as Collection
    from dr_gen.model.curve import MetricCurve as MetricCurve
    from dr_gen.model.curve import MetricCurves as MetricCurves
    from dr_gen.model.finding import Finding as Finding
    from dr_gen.model.finding import Severity as Severity
    from dr_gen.model.group import RunGroup as RunGroup
    from dr_gen.model.hpm import MISSING as MISSING
    from dr_gen.model.hpm import Hpm as Hpm
    from dr_gen.model.hpm_group import HpmGroup as HpmGroup
    from dr_gen.model.labels import Labels as Labels
    from dr_gen.model.run import RunData as RunData
    from dr_gen.model.run_table import Status as Status
    from dr_gen.model.split_metrics import SplitMetrics as SplitMetrics
    from dr_gen.readers.run_dirs import iter_run_dirs as iter_run_dirs
    from dr_gen.readers.runlogger import RunLogger as RunLogger
    from dr_gen.report.report import write_report as write_report
    from dr_gen.store.overlays import list_overlays as list_overlays
    from dr_gen.store.overlays import remove_overlay as remove_overlay
    from dr_gen.store.overlays import save_overlay as save_overlay
    from dr_gen.store.scan import scan_metrics as scan_metrics
    from dr_gen.typed_runs import typed as typed

_HOMES = {
    "AnalysisConfig": "config",
    "Collection": "model.collection",
    "DrGenError": "errors",
    "Finding": "model.finding",
    "Hpm": "model.hpm",
    "HpmGroup": "model.hpm_group",
    "Labels": "model.labels",
    "MISSING": "model.hpm",
    "MetricCurve": "model.curve",
    "MetricCurves": "model.curve",
    "Run": "ingestion",
    "RunData": "model.run",
    "RunGroup": "model.group",
    "RunLogger": "readers.runlogger",
    "Severity": "model.finding",
    "SplitMetrics": "model.split_metrics",
    "Status": "model.run_table",
    "artifact_folder": "artifacts",
    "check_design": "analysis.design.check",
    "compare": "analysis.comparison",
    "ingest": "ingestion",
    "iter_artifacts": "artifacts",
    "iter_run_dirs": "readers.run_dirs",
    "list_overlays": "store.overlays",
    "load": "ingestion",
    "open_store": "ingestion",
    "remove_overlay": "store.overlays",
    "save_overlay": "store.overlays",
    "scan_metrics": "store.scan",
    "summarize": "analysis.seeds",
    "typed": "typed_runs",
    "write_report": "report.report",
}

__all__ = [*sorted(_HOMES), "__version__", "testing"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from dr_gen.version import VERSION

        return VERSION
    if name == "testing":
        return importlib.import_module("dr_gen.testing")
    if name not in _HOMES:
        raise AttributeError(f"module 'dr_gen' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"dr_gen.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
