"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    SUCCESS = 0
    FAILED = 1
    WRONG_INPUT = 2
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.SUCCESS: "done, all of it",
    ExitCode.FAILED: "not done, or not all of it: something did not answer, failed, or is not ready",
    ExitCode.WRONG_INPUT: "what was typed or sent is wrong, or names what is not there: repeating it is no use",
    ExitCode.INTERRUPTED: "left by Ctrl-C; the last line says what goes on and how to come back",
}
