"""Keys that say by which code, with which libraries and on which machine a run was made."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Sequence
from typing import Any, Final

from dr_gen.model.noise import matches_key

__all__ = ["Environment", "environment_kind", "is_dirty_key", "logged_kind"]


class Environment(enum.StrEnum):
    """What a key of the environment is about."""

    CODE = "code"
    SOFTWARE = "software"
    HARDWARE = "hardware"
    HOST = "host"

    @property
    def words(self) -> str:
        """In words."""
        return _WORDS[self]


_WORDS: Final = {
    Environment.CODE: "the version of the code",
    Environment.SOFTWARE: "the version of a library",
    Environment.HARDWARE: "the kind of machine",
    Environment.HOST: "the name of a machine",
}

# What the trackers call them: MLflow tags (mlflow.source.git.commit), wandb-metadata.json
# (git.commit, python, cuda, gpu, host), sacred's run.json (experiment.repositories,
# experiment.dependencies, host.hostname, host.gpus), and usual names in configurations.
_PATTERNS: Final = {
    Environment.CODE: (
        *("git", "git_*", "githash", "commit", "commit_*", "*_commit", "sha", "code_version"),
        *("dirty", "is_dirty", "experiment.repositories", "experiment.sources", "code_hash"),
    ),
    Environment.HARDWARE: (
        *("gpu", "gpus", "gpu_name", "gpu_type", "gpu_model", "gpu_nvidia", "gpuapple"),
        *("device_name", "cuda_device", "cpu", "cpu_model", "cpu_name", "accelerator_type"),
    ),
    Environment.SOFTWARE: (
        *("python_version", "cuda_version", "cudnn_version", "driver_version", "library_versions"),
        *("versions", "requirements", "experiment.dependencies", "packages", "env.pip"),
        *("torch_version", "pytorch_version", "torchvision_version", "tensorflow_version"),
        *("numpy_version", "jax_version", "transformers_version", "lightning_version"),
        *("sklearn_version", "keras_version", "flax_version"),
    ),
}
_LIBRARIES: Final = frozenset(
    (
        *("python", "torch", "pytorch", "torchvision", "tensorflow", "jax", "jaxlib", "flax"),
        *("numpy", "scipy", "transformers", "keras", "lightning", "pytorch_lightning", "cuda"),
        *("cudnn", "sklearn", "accelerate", "datasets", "timm", "driver", "os", "platform"),
    )
)
_HOSTS: Final = frozenset(
    (
        *("host", "hostname", "node", "nodename", "node_name", "node_ip", "machine", "server"),
        *("cluster", "slurm_nodelist"),
    )
)
_VERSION: Final = re.compile(r"\D{0,12}\d+\.\d+.*", re.DOTALL)


@functools.lru_cache(maxsize=4096)
def _named(key: str) -> Environment | None:
    folded = key.casefold()
    tail = folded.rsplit(".", 1)[-1]
    for kind, patterns in _PATTERNS.items():
        if any(matches_key(folded, pattern) for pattern in patterns):
            return kind
    return Environment.HOST if tail in _HOSTS else None


def environment_kind(key: str, values: Sequence[Any]) -> Environment | None:
    """What a key with these values says of the environment; None when it says nothing of it.

    Examples
    --------
    >>> environment_kind("mlflow.source.git.commit", ["a1b2c3d"]).value
    'code'
    >>> environment_kind("torch", ["2.1.0", "2.2.0"]).value, environment_kind("node", [64, 128])
    ('software', None)
    """
    kind = _named(key)
    if kind is not None:
        # Many a model has nodes and gpus that are numbers to choose.
        numbers = any(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        return None if numbers and kind is not Environment.CODE else kind
    if key.casefold().rsplit(".", 1)[-1] in _LIBRARIES:
        texts = [value for value in values if value is not None]
        if texts and all(isinstance(t, str) and _VERSION.fullmatch(t) for t in texts):
            return Environment.SOFTWARE
    return None


def logged_kind(key: str, values: Sequence[Any]) -> Environment | None:
    """As `environment_kind`, of a key of the metadata, where nobody keeps hyperparameters."""
    kind = environment_kind(key, values)
    # As a hyperparameter it may well be the revision of a pretrained model.
    of_code = key.casefold().rsplit(".", 1)[-1] in ("revision", "rev", "branch")
    return Environment.CODE if kind is None and of_code else kind


def is_dirty_key(key: str) -> bool:
    """Whether a key says that the code had changes that were not committed."""
    return key.casefold().rsplit(".", 1)[-1] in ("dirty", "is_dirty", "git_dirty")
