"""Files that grew: what was appended is read, and put behind what the store holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from dr_gen.ingestion.marks import TORN, Grown, behind, grown, of_records
from dr_gen.ingestion.plans import Plan, Step
from dr_gen.ingestion.reading import options_for
from dr_gen.model.run import RunData
from dr_gen.model.run_table import RunRecord, RunTable, Status
from dr_gen.readers import formats
from dr_gen.readers.contract import More, ReadResult
from dr_gen.store.shards import read_runs
from dr_gen.store.sources import SourceRecord

__all__ = ["Resumed", "resumed"]


@attrs.frozen
class Resumed:
    """What became of the files of which only the end was read.

    Attributes
    ----------
    plan : Plan
        What is left to do: files that have to be read from their beginning after all are in it.
    steps : list of Step
        The steps of the others, with how far they are read now.
    results : list of ReadResult
        What each of those holds as a whole, not judged yet.
    """

    plan: Plan
    steps: list[Step]
    results: list[ReadResult]


def resumed(plan: Plan) -> Resumed:
    """Read what was appended to the files that grew.

    Raises
    ------
    StoreError
        If the runs that the store holds of them cannot be read.
    """
    done: dict[str, tuple[Step, ReadResult]] = {}
    while True:
        to_go = {step.record.path: step for step in plan.to_read if step.since is not None}
        joined = _joined(plan, [step for path, step in to_go.items() if path not in done])
        done |= {step.record.path: (step, result) for step, result in joined if result is not None}
        refused = [step.record.path for step, result in joined if result is None]
        if not refused or plan.again is None:
            break
        plan = plan.again(refused)
    kept = [done[path] for path in to_go if path in done]
    return Resumed(plan, [step for step, _ in kept], [result for _, result in kept])


_Joined = list[tuple[Step, ReadResult | None]]
"""Steps with what their files hold as a whole; None for one that has to be read as a whole."""


def _joined(plan: Plan, steps: Sequence[Step]) -> _Joined:
    now = time.time_ns()
    out: _Joined = []
    found: dict[str, list[tuple[Step, SourceRecord, Grown]]] = {}
    for step in steps:
        old, source = step.since, step.source
        more = None
        if old and source and old.mark and old.names == old.runs == (source.run_id,):
            records = of_records(source.reader)
            more = grown(source.path, step.record.stamp, old.mark, now, records=records)
        if old is None or more is None:
            out.append((step, None))
        else:
            found.setdefault(old.format, []).append((step, old, more))
    for some in found.values():
        out += _go_on(plan, some)
    return out


def _go_on(
    plan: Plan, found: Sequence[tuple[Step, SourceRecord, Grown]]
) -> Iterator[tuple[Step, ReadResult | None]]:
    """Let one reader go on in its files."""
    reader: Any = formats.reader(found[0][1].format)
    before = _before(plan, [old for _, old, _ in found])
    items = []
    sources = [step.source for step, _, _ in found if step.source is not None]
    told = options_for(sources, plan.rules)
    for (step, old, more), run, options in zip(found, before, told, strict=True):
        state = None if old.mark is None else old.mark.state
        path = Path(step.record.given)
        items.append(More(path, old.run_id, options, run, state, more.last, more.tail))
    for (step, _, more), result in zip(found, reader.read_more(items), strict=True):
        if result is None:
            yield step, None
            continue
        mark = more.mark
        if result.end is not None and old.mark is not None and result.end != mark.offset:
            mark = behind(old.mark, more.last + more.tail, result.end)
        mark = attrs.evolve(mark, own=len(result.runs[0].findings), state=result.state)
        record = attrs.evolve(step.record, stamp=more.stamp, mark=mark)
        yield attrs.evolve(step, record=record), result


def _before(plan: Plan, records: Sequence[SourceRecord]) -> list[RunData]:
    """The runs in the store as their reader gave them: before they were judged."""
    assert plan.store is not None
    number = {run: i for i, run in enumerate(plan.before.runs)}
    places = [plan.before.places[number[record.runs[0]]] for record in records]
    table, indices = read_runs(plan.store, plan.before.shards, places)
    own = list(table.records)
    for record, index in zip(records, indices.tolist(), strict=True):
        assert record.mark is not None
        own[index] = _unjudged(own[index], record.mark.own)
    table = RunTable(tuple(own), table.hpms, table.curves)
    return [RunData(table, index) for index in indices.tolist()]


def _unjudged(record: RunRecord, own: int) -> RunRecord:
    metadata = {name: value for name, value in record.metadata.items() if name != "format"}
    findings = tuple(finding for finding in record.findings[:own] if finding.code not in TORN)
    return attrs.evolve(
        record, status=Status.COMPLETED, reasons=(), metadata=metadata, findings=findings
    )
