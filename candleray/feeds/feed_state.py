"""State of a market's feed as operators see it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from candleray.frozen_model import FrozenModel

FeedMode = Literal["idle", "sockets", "polling"]


class RefusedReason(FrozenModel):
    count: int = Field(description="rows or frames refused for this reason")
    example: str = Field("", description="the first of them")


class CatchUp(FrozenModel):
    """Course of a repair: minutes that the store lacks come by REST, after what is live."""

    minutes_left: int = Field(description="minutes that are asked for")
    minutes_done: int = Field(description="minutes that came, or that the exchange does not have, since it began")
    instruments: int = Field(description="instruments that lack them")
    eta_s: float | None = Field(None, description="seconds that are left at the pace so far")


class FeedHalt(FrozenModel):
    """A stretch for which a venue's feed did nothing at all."""

    seconds: float = Field(description="its length")
    until: datetime = Field(description="its end, from which on the feed works again")
    cause: str = Field(description="suspended, or busy with something else")


class FeedState(FrozenModel):
    """State of one market's feed since its process began, as it told it last."""

    market: str = Field(examples=["binance-spot"])
    mode: FeedMode = Field(description="idle: nothing is followed; polling: REST alone serves")
    reason: str = Field("", description="cause of polling, or the last trouble of a socket")
    trouble_at: datetime | None = Field(None, description="of that trouble, by the exchange's clock")
    subscribed: int = Field(0, description="instruments that are followed")
    connected_since: datetime | None = Field(None, description="of the socket that has lived shortest")
    last_candle: datetime | None = Field(None, description="open time of the newest candle that the store has")
    lag_p50_ms: int | None = Field(None, description="from a minute's close to the store's acknowledgement")
    lag_p99_ms: int | None = Field(None, description="the same, at worst of 99 in 100")
    written: int = Field(0, description="rows that the store has acknowledged")
    filled: int = Field(0, description="minutes that only REST told")
    repeated: int = Field(0, description="candles told again with the same values")
    reconnects: int = Field(0, description="sockets opened again")
    waiting: int = Field(0, description="rows that wait for the store")
    unpublished: int = Field(0, description="minutes that wait for the stream")
    incomplete: int = Field(0, description="instruments that lack a minute which is due")
    rest_trouble: str = Field("", description="failure of the last question to REST; it is asked again")
    holes: int = Field(0, description="minutes of the last day that the exchange does not have, by verdict")
    catch_up: CatchUp | None = Field(None, description="of a repair that is under way")
    repaired: int = Field(0, description="minutes that a scan found missing and REST brought")
    scanned_at: datetime | None = Field(None, description="end of the last scan of whole histories")
    budget_shared: bool = Field(
        True, description="false while Valkey is away: then each process keeps to a part of the request budget"
    )
    not_traded: dict[str, str] = Field(
        default_factory=dict, description="subscribed symbols that are not followed, with the reason"
    )
    silent: dict[str, datetime] = Field(
        default_factory=dict,
        description="followed symbols of which neither socket nor REST has had a minute for 3 minutes, with the "
        "first that lacks; 20 at most",
    )
    clock_ahead_ms: int | None = Field(None, description="our clock less the exchange's")
    refused: dict[str, RefusedReason] = Field(default_factory=dict, description="by reason")
    ignored: dict[str, int] = Field(default_factory=dict, description="frames that tell no candle of ours")
    refused_symbols: dict[str, str] = Field(
        default_factory=dict, description="symbols that the exchange does not stream, with its words"
    )
    waits: dict[str, str] = Field(default_factory=dict, description="what it cannot do now, with the reason")
    last_halt: FeedHalt | None = Field(None, description="the last time that it stood still for 5 s or longer")
    told_at: datetime | None = Field(None, description="when the feed told this")
    told_ago_s: float | None = Field(None, description="seconds since then; a feed tells of itself every 5 s")
