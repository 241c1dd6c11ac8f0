"""A strategy in words above its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from candleray.errors import InvalidInput
from candleray.terminal.console import notes

if TYPE_CHECKING:
    from rich.console import Console

    from candleray.backtests.request import StrategyAxes


def meaning(strategy: StrategyAxes) -> str:
    """Return the sentences of a strategy in one line."""
    from candleray.backtests.sentences import sentences

    return " ".join(sentences(strategy))


def print_meaning(console: Console, title: str, strategy: StrategyAxes) -> None:
    """Print a title, and under it a sentence a line."""
    from candleray.backtests.sentences import sentences

    console.print(title, style="bold")
    for sentence in sentences(strategy):
        console.print(sentence)


def print_meaning_of_json(console: Console, title: str, content: Mapping[str, Any]) -> None:
    """Print the same of a strategy in an answer; one that this version cannot read keeps its title alone."""
    from candleray.strategies.strategy import StrategyDraft
    from candleray.validation import validated

    try:
        strategy = validated(StrategyDraft, content, "its strategy")
    except InvalidInput as error:
        console.print(title, style="bold")
        notes().print(f"not said in words: {error.message}")
    else:
        print_meaning(console, title, strategy)
