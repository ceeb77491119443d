"""From files to a group of runs: plan what to read, then read it, and only what is new."""

from typing import TYPE_CHECKING, Any

from dr_gen.ingestion.loading import ingest as ingest
from dr_gen.ingestion.loading import load as load
from dr_gen.ingestion.loading import open_store as open_store
from dr_gen.ingestion.notation import Run as Run

if TYPE_CHECKING:
    from dr_gen.ingestion.planning import plan as plan

__all__ = ["Run", "ingest", "load", "open_store", "plan"]


def __getattr__(name: str) -> Any:
    # It knows all readers, whom nobody needs that opens a store.
    if name != "plan":
        raise AttributeError(f"module 'dr_gen.ingestion' has no attribute {name!r}")
    from dr_gen.ingestion.planning import plan

    globals()[name] = plan
    return plan
