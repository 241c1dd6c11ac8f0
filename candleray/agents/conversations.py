"""Worked conversations: how an assistant goes from a wish to an honest answer, as prompts of the protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from candleray.errors import NotFound, invalid, nearest

MOST_CHARACTERS = 300
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Turn:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Conversation:
    title: str
    takes: Mapping[str, str]
    """The words in braces, and what stands in their places."""
    turns: tuple[Turn, ...]

    def filled(self, given: Mapping[str, str]) -> tuple[Turn, ...]:
        """The turns with the words given in their places.

        Raises:
            InvalidInput: one is missing, or is no line of text.
        """
        words = {name: _line(name, given.get(name, ""), meaning) for name, meaning in self.takes.items()}
        return tuple(Turn(turn.role, _filled(turn.text, words)) for turn in self.turns)


def _line(name: str, word: str, meaning: str) -> str:
    if not word.strip():
        raise invalid(name, "missing", f"{name} is required: {meaning}")
    if len(word) > MOST_CHARACTERS or not word.isprintable():
        message = f"{name} must be {meaning}: one line of at most {MOST_CHARACTERS} visible characters"
        raise invalid(name, "no_line", message)
    return word


def _filled(text: str, words: Mapping[str, str]) -> str:
    """The text with each word in its place; braces within a word are its own."""
    return _PLACE.sub(lambda place: words.get(place[1], place[0]), text)


def conversation_named(name: str) -> Conversation:
    """
    Raises:
        NotFound: with the nearest name.
    """
    if name not in CONVERSATIONS:
        raise NotFound(f"unknown prompt {name[:60]!r}; {nearest(name, list(CONVERSATIONS))}")
    return CONVERSATIONS[name]


CONVERSATIONS: Mapping[str, Conversation] = {
    "find-a-strategy": Conversation(
        title="From an idea to a judged and saved strategy",
        takes={"symbol": "a symbol, such as SOLUSDT", "idea": "an idea in words, such as buying oversold dips"},
        turns=(
            Turn("user", "Find me something on {symbol}, hourly, that survives costs. My idea: {idea}."),
            Turn(
                "assistant",
                "I call find_instruments for {symbol}: it says whether its candles are stored, from when on "
                "and with which holes (backfill fetches what is missing). find_indicators with the words of "
                "the idea gives ids, parameters and rules. I write one request with a few values an axis, and "
                "read explain_strategy back to you in its own words, before anything is searched. preflight "
                "sizes it; backtest answers at once, submit_job in the background.",
            ),
            Turn(
                "assistant",
                "I report the verdict before the return: the best of many variants looks good by luck alone. "
                "Where it is likely noise I say so, and do not search on until something shines: every search "
                "counts in the next verdict. Only a variant that is judged well, and whose robustness check "
                "holds under doubled costs and neighbouring parameters, I save with save_strategy, if you "
                "want that.",
            ),
            Turn("user", "Go on so with {symbol}."),
        ),
    ),
    "explain-a-strategy": Conversation(
        title="What a saved strategy does, and how it has done",
        takes={"strategy": "the name or id of a saved strategy"},
        turns=(
            Turn("user", "What does {strategy} do, and would you trust it?"),
            Turn(
                "assistant",
                "explain_strategy says it in plain words, with the share of bars on which each condition is "
                "true. report has its metrics and months over the last year, beside buying and holding. "
                "robustness runs it under higher costs, neighbouring parameters, single years and later "
                "starts: the worst case comes first, and I quote it.",
            ),
            Turn("user", "Do that for {strategy}, in ten lines, with what speaks against it."),
        ),
    ),
    "watch-my-runs": Conversation(
        title="How the live runs on paper stand",
        takes={"run": "the beginning of a run's id, or the word all"},
        turns=(
            Turn("user", "How is {run} doing?"),
            Turn(
                "assistant",
                "run_status without an argument lists the runs, with one it has the standing, the last "
                "signals and the certificate: equal means that the run has said, to the bit, what its "
                "backtest says; explained names the minutes that differ; broken is a fault to tell of. What a "
                "run waits for stands there too. I start or stop nothing with control_run unless you say so.",
            ),
            Turn("user", "Tell me about {run}: first what is wrong, then the rest."),
        ),
    ),
}
