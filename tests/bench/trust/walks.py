"""Prices that are known to be luck, and prices with an edge put in for one variant.

The returns of noise have no mean in logs, whatever came before. A planted edge is a drift on the bars on which
one variant is in the market, so high that its yearly Sharpe ratio is expected to be what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from candleray.candles import Candles, FloatArray
from candleray.timeframes import DAY_MS, MINUTE_MS, Timeframe, minutes_of

START_MS = 1_735_689_600_000  # 2025-01-01
WARMUP = 200
YEARLY_VOLATILITY = 0.6
YEAR_MS = 365 * DAY_MS

Draw = np.random.Generator


def bar_ms_of(timeframe: Timeframe) -> int:
    return minutes_of(timeframe) * MINUTE_MS


def bar_volatility(timeframe: Timeframe) -> float:
    return YEARLY_VOLATILITY * math.sqrt(bar_ms_of(timeframe) / YEAR_MS)


def normal(draw: Draw, bars: int) -> FloatArray:
    """Independent normal returns of deviation 1."""
    return draw.standard_normal(bars)


def clustered(draw: Draw, bars: int) -> FloatArray:
    """Returns of Student's t with 4 degrees of freedom, calm and wild by turns, of deviation 1."""
    half_life, spread = 200, 0.5
    kept = 0.5 ** (1 / half_life)
    shocks = draw.standard_normal(bars) * math.sqrt(1 - kept * kept)
    state, level = np.empty(bars), float(draw.standard_normal())
    for bar, shock in enumerate(shocks.tolist()):
        level = kept * level + shock
        state[bar] = level
    return np.exp(spread * state - spread * spread) * draw.standard_t(4, bars) / math.sqrt(2)


KINDS: Mapping[str, Callable[[Draw, int], FloatArray]] = {"normal": normal, "clustered": clustered}


def noise(draw: Draw, kind: str, timeframe: Timeframe, bars: int) -> Candles:
    """Return candles of so many bars, and of a warm-up before them, that are luck alone."""
    returns = KINDS[kind](draw, bars + WARMUP) * bar_volatility(timeframe)
    return _candles(draw, returns, timeframe)


def planted(draw: Draw, sharpe: float, timeframe: Timeframe, bars: int) -> Candles:
    """Return candles in which one variant has an edge of that yearly Sharpe ratio."""
    returns = normal(draw, bars + WARMUP) * bar_volatility(timeframe)
    held = np.count_nonzero(with_edge(returns, 1e-9)[WARMUP:] != returns[WARMUP:])
    years = bars * bar_ms_of(timeframe) / YEAR_MS
    edge = sharpe * bar_volatility(timeframe) * math.sqrt(years / max(1, held))
    return _candles(draw, with_edge(returns, edge), timeframe)


def _candles(draw: Draw, returns: FloatArray, timeframe: Timeframe) -> Candles:
    """Return candles with these log returns; the highs, lows and volumes say nothing of what comes."""
    count, volatility = returns.size, bar_volatility(timeframe)
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.concatenate(([100.0], close[:-1]))
    reach = np.exp(np.abs(draw.normal(0, volatility, (2, count))) / 2)
    high, low = np.maximum(open_, close) * reach[0], np.minimum(open_, close) / reach[1]
    stamps = START_MS + (np.arange(count) - WARMUP) * bar_ms_of(timeframe)
    return Candles(stamps, np.stack([open_, high, low, close, draw.lognormal(2, 0.5, count)]))


AVERAGE, STRENGTH, OVERSOLD = 50, 14, 55
"""The windows of the variant with an edge, and the RSI up to which it is long."""


def with_edge(returns: FloatArray, edge: float) -> FloatArray:
    """Return these returns with an edge on bars after a close above its average while the RSI is low.

    The signal is of the prices with the edge: so they are made bar by bar.
    """
    out, log_price, prices = returns.copy(), math.log(100.0), [100.0]
    gain = loss = total = 0.0
    holds = False
    for bar in range(returns.size):
        out[bar] += edge if holds else 0.0
        log_price += out[bar]
        prices.append(math.exp(log_price))
        change, rate = prices[-1] - prices[-2], 1 / min(bar + 1, STRENGTH)
        gain, loss = gain + (max(change, 0.0) - gain) * rate, loss + (max(-change, 0.0) - loss) * rate
        total += prices[-1] - (prices[-1 - AVERAGE] if bar >= AVERAGE else 0.0)
        holds = bar > AVERAGE and prices[-1] > total / AVERAGE and 100 * gain <= OVERSOLD * (gain + loss)
    return out
