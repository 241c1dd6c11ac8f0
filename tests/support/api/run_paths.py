"""The ways of a run from its first state to any other."""

from __future__ import annotations

from candleray.live.run import FIRST_STATE, TRANSITIONS, RunAction, RunState


def path_to(state: RunState) -> list[RunAction]:
    """The shortest way there from the first state."""
    ways: dict[RunState, list[RunAction]] = {FIRST_STATE: []}
    pending = [FIRST_STATE]
    while pending:
        here = pending.pop(0)
        for action, there in TRANSITIONS[here].items():
            if there not in ways:
                ways[there] = [*ways[here], action]
                pending.append(there)
    return ways[state]
