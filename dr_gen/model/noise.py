"""Which keys are noise: they vary without being what was swept."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

__all__ = [
    "NOISE_KEYS",
    "SEED_KEYS",
    "any_matches",
    "is_noise",
    "matches_key",
    "noise_pattern",
    "seed_key",
]

SEED_KEYS = ("seed", "random_seed", "rng_seed", "manual_seed", "global_seed")
"""Names under which a seed is logged, alone or as the last part of a dotted key."""

NOISE_KEYS = (
    *SEED_KEYS,
    *("paths", "path", "*_path", "*_dir", "dir", "root_dir", "log_file", "output"),
    *("logdir", "outdir", "savedir", "workdir", "exp_name", "experiment_name"),
    *("write_checkpoint", "checkpoint", "checkpoints", "checkpointing", "ckpt", "save_every"),
    *("logging", "loggers", "logger", "log_level", "log_every", "log_interval", "verbose"),
    *("timestamp", "start_time", "time_started", "datetime", "date", "created_at"),
    *("run_id", "run_name", "trial_id", "experiment_id", "experiment_tag", "job_id", "uuid"),
    *("hostname", "host", "node", "node_ip", "pid", "slurm_job", "slurm_job_id", "wandb"),
)
"""Patterns of keys that are never part of a configuration unless asked for."""


def matches_key(key: str, pattern: str) -> bool:
    """Whether `pattern` names `key` or a group it is in, by whole dotted parts.

    A pattern without a dot matches any one part, with dots consecutive parts; ``*`` and ``?``
    stand for text inside a part.

    Examples
    --------
    >>> matches_key("paths.out", "paths"), matches_key("pathsize", "paths")
    (True, False)
    >>> matches_key("data.seed", "seed"), matches_key("optim.lr.peak", "optim.lr")
    (True, True)
    """
    parts, wanted = key.split("."), pattern.split(".")
    windows = range(len(parts) - len(wanted) + 1)
    return any(
        all(fnmatchcase(parts[start + i], part) for i, part in enumerate(wanted))
        for start in windows
    )


def any_matches(key: str, patterns: Iterable[str]) -> bool:
    """Whether any of `patterns` names `key` or a group it is in."""
    return any(matches_key(key, pattern) for pattern in patterns)


def noise_pattern(key: str, patterns: Iterable[str] = NOISE_KEYS) -> str | None:
    """The pattern that makes `key` noise, or None when it is none.

    A pattern after ``!`` says what is no noise, whatever the others say.

    Examples
    --------
    >>> noise_pattern("paths.out"), noise_pattern("paths.data", ("paths", "!paths.data"))
    ('paths', None)
    """
    found = None
    for pattern in patterns:
        if pattern.startswith("!"):
            if matches_key(key, pattern[1:]):
                return None
        elif found is None and matches_key(key, pattern):
            found = pattern
    return found


def is_noise(key: str, patterns: Iterable[str] = NOISE_KEYS) -> bool:
    """Whether `patterns` make `key` noise (`noise_pattern`)."""
    return noise_pattern(key, patterns) is not None


def seed_key(keys: Iterable[str]) -> str | None:
    """The key that holds a run's seed: fewest dotted parts, then in the order of `SEED_KEYS`.

    Examples
    --------
    >>> seed_key(["data.seed", "optim.lr", "seed"])
    'seed'
    """
    tails = {key: key.rsplit(".", 1)[-1].casefold() for key in keys}
    found = [key for key, tail in tails.items() if tail in SEED_KEYS]
    order = {key: (key.count("."), SEED_KEYS.index(tails[key]), key) for key in found}
    return min(found, key=lambda key: order[key]) if found else None
