"""Strategies that hear of their entries some bars later."""

from __future__ import annotations

from candleray.backtests.request import BacktestRequest
from candleray.backtests.sentences import SIDES, entry_of
from candleray.backtests.signals.conditions import Earlier
from candleray.backtests.signals.signals import Signals


def delayed(request: BacktestRequest, bars: int) -> BacktestRequest:
    """Return a resolved strategy each of whose entries is true so many bars later.

    An exit that follows from an entry's condition is as much later; stops and exits of their own are not. A
    strategy of indicators becomes one of signals, whose entries are that all rules agree. It is not validated
    anew: where conditions are as deep as they may be, one more is no fault of the user's.
    """
    entries = {f"{side}_entry": entry_of(request, side) for side in SIDES}
    later = {
        name: Earlier.model_construct(earlier=(entry, bars))
        for name, entry in entries.items()
        if entry is not None
    }
    signals = (request.signals or Signals.model_construct()).model_copy(update=later)
    return request.model_copy(update={"indicators": (), "signals": signals})
