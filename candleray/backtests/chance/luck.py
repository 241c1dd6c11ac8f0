"""The part of a request that asks what luck alone would reach: searches over histories of chance."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from candleray.validation import Model

MAX_SEED = 2**53 - 1
"""The largest whole number that every reader of JSON takes for itself."""
MAX_WALKS = 2000


class History(StrEnum):
    """The kinds of candles in which there is nothing to find."""

    WALK = "walk"
    BLOCKS = "blocks"


class Luck(Model):
    """The histories of chance that a search is made over as well, after its candles."""

    walks: Annotated[int, Field(ge=1, le=MAX_WALKS, strict=True)] = 200
    """Number of histories."""
    model: History = History.WALK
    """`walk`, random walks; `blocks`, the candles in another order, a day of bars at a time."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)] = 0
    """Seed of all histories; each depends on it and its own number."""
