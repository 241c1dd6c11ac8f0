"""The equity of a session at each bar: the batch over the candles that the session has received."""

from __future__ import annotations

import numpy as np

from candleray.live.certificates.certifier import ReceivedSession
from candleray.live.certificates.replay import SessionSpan, replayed
from candleray.live.records import CurvePoint, EquityCurve
from candleray.timeframes import from_ms, to_ms


def curve_of(given: ReceivedSession, most_points: int) -> EquityCurve:
    """The equity at so many closes at most, the last among them; a run's equals the batch's to the bit."""
    spec, session = given.run.spec, given.session
    told = {"session": session.session, "init_cash_quote": spec.init_cash_quote}
    if given.until_ms <= to_ms(session.live_from):
        return EquityCurve(**told, points=(), bars=0, note="the session has taken no bar yet")
    span = SessionSpan.of(given.run.live(session), spec, given.until_ms)
    replay = replayed(spec, span, given.minutes, given.run.defaults)
    bars = len(replay.equity)
    every = max(1, -(-bars // most_points))
    shown = np.arange(bars - 1, -1, -every)[::-1]
    points = tuple(
        CurvePoint(ts_open=from_ms(ts_ms), equity_quote=equity)
        for ts_ms, equity in zip(
            replay.bars.ts_open_ms[shown].tolist(), replay.equity[shown].tolist(), strict=True
        )
    )
    which = "every bar" if every == 1 else f"one of {every} bars, the last among them"
    note = f"{which}; by the backtest over the candles that the session has received"
    return EquityCurve(**told, points=points, bars=bars, note=note)
