"""The places where orders fill: the time between a signal and its fill, and the inside of bars."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from candleray.validation import Model


class EntryFill(StrEnum):
    CLOSE = "close"
    NEXT_OPEN = "next_open"


class StopFill(StrEnum):
    CLOSE = "close"
    INTRABAR = "intrabar"


class Tie(StrEnum):
    STOP_FIRST = "stop_first"
    TARGET_FIRST = "target_first"


class Fill(Model):
    """The places where signals and levels fill."""

    entry: EntryFill = EntryFill.CLOSE
    """Signals fill at the close that gives them, or at the open of the next bar."""
    stops: StopFill = StopFill.CLOSE
    """Levels are looked at on closes of bars, or in every minute: a minute that touches one fills at the level, or
    at its open where that is already beyond; a take-profit has no slippage then."""
    tie: Tie = Tie.STOP_FIRST
    """The exit where one minute touches both levels."""

    @model_validator(mode="after")
    def _tie_of_minutes(self) -> Self:
        if self.tie is not Tie.STOP_FIRST and self.stops is StopFill.CLOSE:
            raise PydanticCustomError(
                "tie_of_closes", "no close reaches both levels: a tie belongs to stops 'intrabar'"
            )
        return self

    @property
    def is_usual(self) -> bool:
        """True where every order fills at a close."""
        return self.entry is EntryFill.CLOSE and self.stops is StopFill.CLOSE

    @property
    def looks_inside(self) -> bool:
        return self.stops is StopFill.INTRABAR

    @property
    def other_tie(self) -> Fill:
        """The same fills, with a tie decided the other way."""
        tie = Tie.TARGET_FIRST if self.tie is Tie.STOP_FIRST else Tie.STOP_FIRST
        return self.model_copy(update={"tie": tie})


class Ties(Model):
    """Exits in a minute that touched both levels, of which nobody knows the one that came first."""

    exits: int
    other_return_pct: float
    """Total return of the variant where they are decided the other way."""


AnyFill: TypeAlias = Annotated[Fill, Field(exclude_if=lambda fill: fill.is_usual)]
"""Left out where every order fills at a close, so that hashes stay."""
