"""The commands of ``dr-gen``; each imports what it needs when it runs."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from dr_gen.cli.opening import Opening, in_order

__all__ = ["app"]

app = typer.Typer(
    name="dr-gen",
    help="From a folder of training runs to claims that hold.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain help: rich's costs more time than the rest of it together.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

PATH = Annotated[str, typer.Argument(help="A store, or any folder or file of runs.")]
METRIC = Annotated[
    str | None,
    typer.Argument(help="Metric address such as val/acc1@best; by default one is chosen."),
]
METRIC_OPTION = Annotated[str | None, typer.Option("--metric", "-m", help="The same as an option.")]
WHERE = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        help="Only runs such as 'lr>=0.01 and Init=random'; repeatable, all must hold.",
    ),
]
CONFIG = Annotated[str | None, typer.Option("--config", "-c", help="Settings file (YAML).")]
FORMAT = Annotated[
    str | None, typer.Option("--format", "-f", help="Format of the logs; else recognised.")
]
EPOCHS = Annotated[
    int | None, typer.Option("--expected-epochs", min=1, help="Epochs each run should have.")
]
BY = Annotated[
    list[str] | None,
    typer.Option("--by", help="Group by this key, not by what was swept; repeatable."),
]
ALL = Annotated[
    bool, typer.Option("--all", help="Use failed, diverged and incomplete runs as well.")
]
WORKERS = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Processes that read; by default one for each processor."
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def _version(wanted: bool) -> None:
    if wanted:
        from dr_gen.version import VERSION

        print(f"dr-gen {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def ingest(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Folders or files.")],
    store: Annotated[str, typer.Option("--store", "-s", help="Folder of the store to write.")],
    config: CONFIG = None,
    format: FORMAT = None,
    expected_epochs: EPOCHS = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also runs that were deleted in their tool.")
    ] = False,
    compress: Annotated[bool, typer.Option("--compress", help="Smaller, opens slower.")] = False,
    workers: WORKERS = None,
    as_json: JSON = False,
) -> None:
    """Read runs and write them to a store."""
    from dr_gen.cli import commands

    opening = Opening((), config, format, expected_epochs)
    commands.ingest(sources, store, opening, deleted, compress, workers, as_json)


@app.command()
def runs(
    path: PATH,
    where: WHERE = None,
    by: BY = None,
    config: CONFIG = None,
    format: FORMAT = None,
    expected_epochs: EPOCHS = None,
    as_json: JSON = False,
) -> None:
    """List the runs: status, what was swept, points, findings."""
    from dr_gen.cli import commands

    commands.runs(path, by, Opening(where or (), config, format, expected_epochs), as_json)


@app.command()
def sweep(
    path: PATH,
    where: WHERE = None,
    by: BY = None,
    config: CONFIG = None,
    format: FORMAT = None,
    as_json: JSON = False,
) -> None:
    """Show what was swept: the values of each key, the configurations and their runs."""
    from dr_gen.cli import commands

    commands.sweep(path, by, Opening(where or (), config, format), as_json)


@app.command()
def check(
    path: PATH,
    where: WHERE = None,
    by: BY = None,
    config: CONFIG = None,
    format: FORMAT = None,
    expected_epochs: EPOCHS = None,
    as_json: JSON = False,
) -> int:
    """List everything that is wrong; exit with 1 if there are errors."""
    from dr_gen.cli import commands

    opening = Opening(where or (), config, format, expected_epochs)
    return commands.check(path, by, opening, as_json)


@app.command()
def design(
    path: PATH,
    where: WHERE = None,
    by: BY = None,
    config: CONFIG = None,
    format: FORMAT = None,
    as_json: JSON = False,
) -> int:
    """Check the sweep itself: missing cells, copies, seeds, keys that go together, drift.

    Exits with 1 if means or comparisons over these runs would be wrong.
    """
    from dr_gen.cli import designing

    return designing.design(path, by, Opening(where or (), config, format), as_json)


@app.command()
def show(
    path: PATH,
    run: Annotated[str | None, typer.Argument(help="Id of the run, as `runs` lists it.")] = None,
    where: WHERE = None,
    config: CONFIG = None,
    format: FORMAT = None,
    as_json: JSON = False,
) -> None:
    """Show one run: its hyperparameters, curves, status and findings."""
    from dr_gen.cli import commands

    path, run = in_order(path, run)
    commands.show(path, run, Opening(where or (), config, format), as_json)


@app.command()
def summarize(
    path: PATH,
    metric: METRIC = None,
    named: METRIC_OPTION = None,
    where: WHERE = None,
    by: BY = None,
    all_runs: ALL = False,
    config: CONFIG = None,
    format: FORMAT = None,
    as_json: JSON = False,
) -> None:
    """One metric over the seeds of each configuration, the best first."""
    from dr_gen.cli import commands

    path, metric = in_order(path, metric)
    commands.summarize(
        path, named or metric, by, all_runs, Opening(where or (), config, format), as_json
    )


@app.command()
def compare(
    path: PATH,
    metric: METRIC = None,
    named: METRIC_OPTION = None,
    where: WHERE = None,
    by: BY = None,
    all_runs: ALL = False,
    config: CONFIG = None,
    format: FORMAT = None,
    as_json: JSON = False,
) -> None:
    """Which differences between configurations are real."""
    from dr_gen.cli import commands

    path, metric = in_order(path, metric)
    commands.compare(
        path, named or metric, by, all_runs, Opening(where or (), config, format), as_json
    )


@app.command()
def report(
    path: PATH,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder to write.")],
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="Metric address.")] = None,
    where: WHERE = None,
    by: BY = None,
    config: CONFIG = None,
    format: FORMAT = None,
    expected_epochs: EPOCHS = None,
    as_json: JSON = False,
) -> None:
    """Write report.html, report.md and report.json."""
    from dr_gen.cli import commands

    opening = Opening(where or (), config, format, expected_epochs)
    command = shlex.join(["dr-gen", *sys.argv[1:]])
    commands.report(path, output, metric, by, opening, command, as_json)


cache = typer.Typer(
    name="cache", help="What is kept of raw logs that were read.", no_args_is_help=True
)
app.add_typer(cache)


@cache.command(name="list")
def cache_list(as_json: JSON = False) -> None:
    """List what is kept, and for which logs."""
    from dr_gen.cli import caching

    caching.show(as_json)


@cache.command(name="clear")
def cache_clear(
    everything: Annotated[
        bool, typer.Option("--all", help="All of it, not only what nobody will ask for again.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Remove what belongs to logs that are gone or to other versions."""
    from dr_gen.cli import caching

    caching.clear(everything, as_json)
