"""From files to a group of runs: plan what to read, then read it, and only what is new."""

from dr_gen.ingestion.loading import ingest as ingest
from dr_gen.ingestion.loading import load as load
from dr_gen.ingestion.loading import open_store as open_store
from dr_gen.ingestion.notation import Run as Run
from dr_gen.ingestion.planning import plan as plan

__all__ = ["Run", "ingest", "load", "open_store", "plan"]
