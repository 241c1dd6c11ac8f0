"""Candles made from a seed: a plausible market, the same on every machine, readable at any place.

The price path has two scales. *Legs* of four hours follow regimes (range, trend up, trend down, volatile, crash),
drawn once for the whole market; their moves are partly common to all symbols, and a mild pull keeps the price
within a few times its start. Inside a leg the *minutes* are a bridge between the leg's two ends. Their volatility
is a multiplicative cascade (Calvet & Fisher's Markov-switching multifractal): it clusters as real volatility does
and has fat tails. Volume follows the minute's range. A minute opens at the close of the one before, across days
and legs too.

The numbers are the same on every machine and in any window. A day depends on `(seed, symbol, day)` alone.
Randomness is the raw output of a Philox counter: numpy promises that stream for good, but not its distributions.
Only `+ − × ÷ √` follow, which IEEE 754 fixes to the bit. Prices are whole ticks, volumes whole steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.candles import CandleRows, FloatArray
from candleray.errors import invalid
from candleray.markets import InstrumentReference, Market, is_symbol
from candleray.timeframes import DAY_MS, MINUTE_MS, from_ms

Lanes: TypeAlias = NDArray[np.uint16]

DAY_MINUTES = 1440
LEG_MINUTES = 240
LEGS_A_DAY = DAY_MINUTES // LEG_MINUTES
FIRST_DAY, END_DAY = 17_395, 25_567
"""Days since the epoch: every path lies between 2017-08-17 and 2040-01-01."""
_LEGS = (END_DAY - FIRST_DAY) * LEGS_A_DAY
_LEAST_NOTIONAL = 5.0
_QUOTE_ASSETS = ("USDT", "USDC", "BTC", "ETH")


@dataclass(frozen=True)
class Profile:
    """Traits of a symbol: prices in quote, `liquidity` in base units a minute, days since the epoch."""

    symbol: str
    start_price: float
    price_places: int
    quantity_places: int
    liquidity: float
    volatility: float = 1.0
    first_day: int = FIRST_DAY
    end_day: int = END_DAY

    @property
    def is_tradable(self) -> bool:
        return self.end_day == END_DAY


PROFILES: dict[str, Profile] = {
    profile.symbol: profile
    for profile in (
        Profile("ADAUSDT", 0.62, 4, 1, 60_000, 1.4, first_day=17_638),
        Profile("BTCUSDT", 61_000, 2, 5, 14, 0.9),
        Profile("DOGEUSDT", 0.14, 5, 0, 420_000, 1.7, first_day=18_082),
        Profile("ETHUSDT", 2_900, 2, 4, 210, 1.15),
        Profile("LUNAUSDT", 41, 3, 2, 2_400, 2.2, first_day=18_495, end_day=19_125),
        Profile("SOLUSDT", 148, 2, 3, 1_900, 1.6, first_day=18_485),
        Profile("XRPUSDT", 0.85, 4, 1, 90_000, 1.3, first_day=17_655),
    )
}
"""The symbols of a source by default; one of them no longer trades."""


@dataclass(frozen=True)
class _Regime:
    """Drift and volatility of a leg as shares of the price, and the mean number of legs that it lasts."""

    drift: float
    sigma: float
    legs: int


_REGIMES = (
    _Regime(0.0, 0.006, 24),  # range
    _Regime(0.0028, 0.009, 15),  # trend up
    _Regime(-0.0026, 0.010, 13),  # trend down
    _Regime(0.0, 0.019, 8),  # volatile
    _Regime(-0.026, 0.030, 2),  # crash
)
_SUCCESSORS = (  # sixteen equally likely successors of each regime
    (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 1, 2),
    (0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 3, 3, 3, 4, 2),
    (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 4, 1),
    (0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 4, 1, 2),
    (3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 1, 3, 3),
)
_PULL = 0.0006  # towards the start price, a leg
_COMMON = 0.75  # of a leg's shock that all symbols share; √(1 − 0.75²) is the symbol's own
_OWN = 0.6614378277661477

_HOURS = np.array(  # activity by hour of UTC: quiet before Europe, busiest when America opens
    [
        *(0.9, 0.95, 0.95, 0.85, 0.75, 0.7, 0.75, 0.85, 1.0, 1.0, 0.95, 0.95),
        *(1.05, 1.25, 1.5, 1.5, 1.35, 1.2, 1.1, 1.05, 1.05, 1.0, 0.95, 0.9),
    ]
)
_BLOCKS = (4, 15, 48, 120)  # minutes for which a multiplier of the cascade holds
_CASCADE = (0.62, 1.38)


class GeneratedCandles:
    """A `CandleSource`; a symbol without a profile gets one derived from its name."""

    def __init__(self, seed: int = 7, symbols: Iterable[str] = ()) -> None:
        self.seed = seed
        chosen = sorted(set(symbols)) or sorted(PROFILES)
        self._profiles = {symbol: PROFILES.get(symbol) or _derive_profile(symbol) for symbol in chosen}
        self._day = lru_cache(maxsize=128)(self._generate_day)
        self._leg_ends = lru_cache(maxsize=None)(self._walk_legs)

    def instruments(self, market: Market) -> Sequence[InstrumentReference]:
        return [self._reference(market, profile) for profile in self._profiles.values()]

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        profile = self._profiles[symbol]
        return profile.first_day * DAY_MS, profile.end_day * DAY_MS

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        first_ms, last_ms = self.span_ms(market, symbol)
        start_ms, end_ms = max(start_ms, first_ms), min(end_ms, last_ms)
        if start_ms >= end_ms:
            return CandleRows.join([])
        days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
        rows = CandleRows.join([self._day(market, symbol, day) for day in days])
        return rows.take(np.flatnonzero((rows.ts_open_ms >= start_ms) & (rows.ts_open_ms < end_ms)))

    def _reference(self, market: Market, profile: Profile) -> InstrumentReference:
        base, quote = _assets(profile.symbol)
        return InstrumentReference(
            market_id=market.market_id,
            symbol=profile.symbol,
            is_tradable=profile.is_tradable,
            status="trading" if profile.is_tradable else "closed",
            base_asset=base,
            quote_asset=quote,
            price_tick=1 / 10**profile.price_places,
            quantity_step=1 / 10**profile.quantity_places,
            min_notional=_LEAST_NOTIONAL,
            listed_at=from_ms(profile.first_day * DAY_MS) if market.market_type == "futures" else None,
        )

    def _generate_day(self, market: Market, symbol: str, day: int) -> CandleRows:
        profile, price_factor = self._profiles[symbol], _price_factor(market)
        lanes = _lanes(f"{self.seed}/{symbol}/{day}", 8)
        sigma = self._minute_sigma(symbol, day)
        close = self._minute_closes(symbol, day, sigma, _normal(lanes[:4])) * price_factor
        open_ = np.concatenate(([self._leg_ends(symbol)[_legs_of(day).start] * price_factor], close[:-1]))
        reach = sigma * close
        high = np.maximum(open_, close) + reach * _share(lanes[4]) * _share(lanes[5])
        low = np.minimum(open_, close) - reach * _share(lanes[6]) * _share(lanes[7])
        scale = 10.0**profile.price_places
        prices = np.maximum(np.rint(np.stack([open_, high, low, close]) * scale), 1.0) / scale
        return self._with_volume(market, profile, day, prices, sigma)

    def _with_volume(
        self, market: Market, profile: Profile, day: int, prices: FloatArray, sigma: FloatArray
    ) -> CandleRows:
        """The day's candles. Volume grows with the minute's range against the usual one, times noise."""
        lanes = _lanes(f"{self.seed}/{profile.symbol}/{day}/{market.market_id}", 4)
        noise = 0.25 + 3.0 * _share(lanes[0]) * _share(lanes[1])
        activity = _HOURS.repeat(60) * (
            0.35 + 0.65 * (prices[1] - prices[2]) / (_usual_sigma(profile) * prices[3])
        )
        liquidity = profile.liquidity * _liquidity_factor(market)
        scale = 10.0**profile.quantity_places
        volume = np.maximum(np.rint(liquidity * activity * noise * scale), 1.0) / scale
        quote = np.rint(volume * (prices[1] + prices[2] + prices[3]) / 3 * 1e4) / 1e4
        trades = 1.0 + np.floor(volume / liquidity * (500 + 500 * _share(lanes[2])))
        ts_open_ms = day * DAY_MS + np.arange(DAY_MINUTES, dtype=np.int64) * MINUTE_MS
        return CandleRows(ts_open_ms, np.vstack([prices, volume]), quote, trades)

    def _minute_sigma(self, symbol: str, day: int) -> FloatArray:
        """The volatility of each minute of a day, as a share of the price."""
        of_regime = np.array([_REGIMES[regime].sigma for regime in _regimes(self.seed)[_legs_of(day)]])
        sigma: FloatArray = np.repeat(
            of_regime * self._profiles[symbol].volatility / np.sqrt(LEG_MINUTES), LEG_MINUTES
        )
        sigma = sigma * _HOURS.repeat(60)
        bits = _lanes(f"{self.seed}/{symbol}/{day}/cascade", 1)[0]
        for turn, minutes in enumerate(_BLOCKS):
            high = (bits[: DAY_MINUTES // minutes] >> turn) & 1
            sigma = sigma * np.repeat(np.where(high, _CASCADE[1], _CASCADE[0]), minutes)
        return sigma

    def _minute_closes(self, symbol: str, day: int, sigma: FloatArray, shocks: FloatArray) -> FloatArray:
        """Closes of a day: compounded shocks, with each leg's distance to its end spread by variance."""
        legs = _legs_of(day)
        ends = self._leg_ends(symbol)[legs.start : legs.stop + 1]
        walk = np.cumprod(1.0 + (sigma * shocks).reshape(LEGS_A_DAY, LEG_MINUTES), axis=1) * ends[:-1, None]
        spent = np.cumsum((sigma * sigma).reshape(LEGS_A_DAY, LEG_MINUTES), axis=1)
        bridge = walk + (ends[1:] - walk[:, -1])[:, None] * (spent / spent[:, -1:])
        bridge[:, -1] = ends[1:]
        return np.maximum(bridge, 0.05 * ends[:-1, None]).reshape(-1)

    def _walk_legs(self, symbol: str) -> FloatArray:
        """The price at the start of every leg, and at the end of the last."""
        profile = self._profiles[symbol]
        regimes = _regimes(self.seed)
        common, own = _leg_shocks(f"{self.seed}/market"), _leg_shocks(f"{self.seed}/{symbol}/legs")
        shocks = (_COMMON * common + _OWN * own).tolist()
        price, prices = profile.start_price, [profile.start_price]
        for regime, shock in zip(regimes, shocks, strict=True):
            move = profile.volatility * (_REGIMES[regime].drift + _REGIMES[regime].sigma * shock)
            pull = _PULL * min(2.0, max(-2.0, 1.0 - price / profile.start_price))
            price *= 1.0 + max(-0.3, move + pull)
            prices.append(price)
        return np.array(prices)


def _legs_of(day: int) -> slice:
    first = (day - FIRST_DAY) * LEGS_A_DAY
    return slice(first, first + LEGS_A_DAY)


@lru_cache(maxsize=8)
def _regimes(seed: int) -> tuple[int, ...]:
    """The regime of every leg."""
    draws = _raw(f"{seed}/regimes", _LEGS).tolist()
    regime, regimes = 0, []
    for draw in draws:
        if draw % _REGIMES[regime].legs == 0:
            regime = _SUCCESSORS[regime][(draw >> 32) % 16]
        regimes.append(regime)
    return tuple(regimes)


@lru_cache(maxsize=64)
def _leg_shocks(stream: str) -> FloatArray:
    raw = _raw(stream, _LEGS)
    return _normal(raw.astype("<u8").view("<u2").reshape(-1, 4).T)


def _raw(stream: str, count: int) -> NDArray[np.uint64]:
    """The first 64-bit words of a named stream."""
    key = int.from_bytes(hashlib.sha256(f"candleray/{stream}".encode()).digest()[:16], "little")
    return np.asarray(np.random.Philox(key=key).random_raw(count), np.uint64)


def _lanes(stream: str, count: int) -> Lanes:
    """`(count, 1440)` of 16 random bits each, of a stream of one day."""
    words = _raw(stream, -(-count // 4) * DAY_MINUTES)
    return words.astype("<u8").view("<u2").reshape(-1, DAY_MINUTES)[:count]


def _normal(lanes: Lanes) -> FloatArray:
    """Standardised sums of four uniform lanes: near enough to normal, exact, and within ±3.5."""
    total = lanes.sum(axis=0, dtype=np.int64)
    standard: FloatArray = (total - 2 * 65_535) / (65_536 / np.sqrt(3.0))
    return standard


def _share(lane: Lanes) -> FloatArray:
    return lane / 65_536.0


def _price_factor(market: Market) -> float:
    """The market's factor on prices: markets of one symbol differ by up to 5 basis points."""
    return 1.0 + (int(_raw(f"market/{market.name}", 1)[0]) % 101 - 50) * 1e-5


def _liquidity_factor(market: Market) -> float:
    share = 0.4 + int(_raw(f"market/{market.name}", 2)[1]) % 100 / 100
    return share * (3.0 if market.market_type == "futures" else 1.0)


def _usual_sigma(profile: Profile) -> float:
    return float(_REGIMES[1].sigma * profile.volatility / np.sqrt(LEG_MINUTES) * 1.6)


def _derive_profile(symbol: str) -> Profile:
    if not is_symbol(symbol):
        raise invalid(
            "symbols", "not_a_symbol", f"{symbol!r} is not a symbol: capitals and digits, 2 to 32 of them"
        )
    draw = int(_raw(f"profile/{symbol}", 1)[0])
    exponent = draw % 5 - 2
    start_price = (1 + (draw >> 8) % 900 / 100) * 10.0**exponent
    return Profile(
        symbol, start_price, max(2, 4 - exponent), 2, 50_000 / start_price, 0.8 + (draw >> 32) % 100 / 100
    )


def _assets(symbol: str) -> tuple[str, str]:
    quote = next((asset for asset in _QUOTE_ASSETS if symbol.endswith(asset) and symbol != asset), "")
    return symbol.removesuffix(quote) if quote else symbol, quote or "USDT"
