"""Which states of a trainer are of one training, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from dr_gen.readers.huggingface.names import checkpoint_number
from dr_gen.readers.huggingface.state import State, is_closing

__all__ = ["Training", "end_of", "trainings"]


@attrs.frozen
class Training:
    """States of one training.

    Attributes
    ----------
    states : tuple of State
        The one with the longest history first.
    """

    states: tuple[State, ...]

    @property
    def longest(self) -> State:
        """The state with the longest history."""
        return self.states[0]

    @property
    def last(self) -> State:
        """The state of the highest step."""
        known = [state for state in self.states if state.facts]
        return max(known or self.states, key=lambda state: state.global_step)

    @property
    def checkpoints(self) -> list[int]:
        """The steps at which checkpoints were saved."""
        numbers = (checkpoint_number(state.path.parent) for state in self.states)
        return sorted(number for number in numbers if number is not None)


def trainings(states: Iterable[State], anchor: Path) -> list[Training]:
    """The trainings that states are of, that of the state at `anchor` first.

    A state whose history is the beginning of that of another is of the same training. Damaged ones
    may lack rows between others.
    """
    groups: list[list[State]] = []
    for state in states:
        for members in groups:
            longest = members[0]
            if len(state.rows) <= len(longest.rows):
                if _begins(longest, state):
                    members.append(state.without_rows())
                    break
            elif _begins(state, longest):
                members[0] = longest.without_rows()
                members.insert(0, state)
                break
        else:
            groups.append([state])
    found = [Training(tuple(members)) for members in groups]
    found.sort(key=lambda training: anchor not in [state.path for state in training.states])
    return found


def _begins(longer: State, shorter: State) -> bool:
    """Whether a history begins with another one; of a damaged one rows may be missing."""
    if longer.rows[: len(shorter.rows)] == shorter.rows:
        return True
    if longer.whole and shorter.whole:
        return False
    known = {_key(row) for row in longer.rows}
    return all(_key(row) in known for row in shorter.rows)


def _key(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def end_of(training: Training, results: Mapping[str, Any], reached: float) -> dict[str, str]:
    """How a training ended, as its states tell.

    Parameters
    ----------
    training : Training
    results : mapping
        What was written at the end.
    reached : float
        The highest step that was logged anywhere.
    """
    state = training.last
    step, most = max(state.global_step, reached), state.max_steps
    if any(is_closing(state.last) for state in training.states):
        return {"status": "completed", "reason": "the training was summed up at its end"}
    if "train_runtime" in results:
        return {"status": "completed", "reason": "the results of the training were written"}
    if most and step >= most:
        return {"status": "completed", "reason": f"all {most:.0f} steps were made"}
    if _stopped_early(state):
        return {"status": "completed", "reason": f"stopped early at step {step:.0f} of {most:.0f}"}
    if most:
        reason = f"the last state is that of step {step:.0f} of {most:.0f}"
    elif not state.whole:
        reason = "the state of the trainer is damaged"
    else:
        reason = f"the last state is that of step {step:.0f}, and nothing says how many were meant"
    return {"status": "incomplete", "reason": reason}


def _stopped_early(state: State) -> bool:
    callbacks = state.facts.get("stateful_callbacks")
    if not isinstance(callbacks, dict):
        return False
    if not any("earlystopping" in str(name).casefold() for name in callbacks):
        return False
    control = callbacks.get("TrainerControl")
    controls: Sequence[Any] = control if isinstance(control, list) else [control]
    return any(_part(one, "args").get("should_training_stop") is True for one in controls)


def _part(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
