"""The bodies of requests about strategies, narrowed to the indicators that exist."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field
from pydantic.fields import FieldInfo

from candleray.backtests.request import BacktestRequest, StrategyAxes
from candleray.indicators.catalogue import Catalogue, get_catalogue
from candleray.strategies.strategy import NewStrategy, SavedBacktest, StrategyChanges, StrategyDraft
from candleray.validation import generated_model, validated


class StrategyBodies:
    """`new` is saved, `changes` make a clone, `backtest` runs what is saved; from the model of a request."""

    def __init__(self, catalogue: Catalogue) -> None:
        narrow = catalogue.request_model.model_fields
        indicators = (narrow["indicators"].annotation, narrow["indicators"])
        parts = {name: _optional(narrow[name]) for name in BacktestRequest.model_fields if name != "time_range"}
        of_a_strategy = {name: parts[name] for name in StrategyAxes.model_fields}
        draft = generated_model("StrategyDraft", StrategyDraft, indicators=indicators)
        self._draft = draft
        self.new = generated_model("NewStrategy", NewStrategy, strategy=(draft | None, None))
        self.changes = generated_model("StrategyChanges", StrategyChanges, **of_a_strategy)
        self.backtest = generated_model("SavedBacktest", SavedBacktest, **parts)

    def draft(self, content: Any) -> StrategyDraft:
        """The draft with every name and bound checked; what was left out is still left out.

        Raises:
            InvalidInput: one problem a field, sorted.
        """
        narrow = validated(self._draft, content)
        return StrategyDraft.model_validate(narrow.model_dump(exclude_unset=True))


@lru_cache(maxsize=1)
def get_strategy_bodies() -> StrategyBodies:
    """Those of this process's environment."""
    return StrategyBodies(get_catalogue())


def _optional(field: FieldInfo) -> tuple[Any, Any]:
    """The field as one that may be left out."""
    kind: Any = field.annotation
    for constraint in field.metadata:
        kind = Annotated[kind, constraint]
    return kind | None, Field(None, description=field.description)
