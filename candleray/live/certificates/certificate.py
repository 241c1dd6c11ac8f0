"""A certificate of a run: what it proves, what differs and why. The same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from candleray.hashes import canonical_json, content_hash
from candleray.live.events import EventBody, EventKind
from candleray.markets import NOT_IN_WORDS, Instrument
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import Moment, Timeframe
from candleray.validation import Model

Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CandleValues: TypeAlias = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""


class Cause(StrEnum):
    REVISED_MINUTE = "revised minute"
    LATE_MINUTE = "late minute"
    HOLE_FILLED_LATER = "hole filled later"
    NONE = "none"


CAUSE_MEANINGS: Mapping[Cause, str] = {
    Cause.REVISED_MINUTE: "the exchange said other values of the minute later than those that the run received",
    Cause.LATE_MINUTE: "the minute came when the exchange had twice been found without it, and runs had gone on",
    Cause.HOLE_FILLED_LATER: "the minute was missing as the session began, and was filled in since",
    Cause.NONE: "no minute explains it: an error of Candleray, or of the database under it",
}


class Verdict(StrEnum):
    EQUAL = "equal"
    EXPLAINED = "explained"
    BROKEN = "broken"
    EMPTY = "empty"


VERDICT_MEANINGS: Mapping[Verdict, str] = {
    Verdict.EQUAL: "the run has said what the backtest says, over the candles it received and over those of today",
    Verdict.EXPLAINED: "over the candles it received the run has said what the backtest says; over those of today "
    "the backtest says something else, and each difference has its minute",
    Verdict.BROKEN: "the run has said something that the backtest does not say, and no candle explains it",
    Verdict.EMPTY: "there was no bar in the range",
}


class MinuteDifference(Model):
    """A minute that a run received otherwise than the candles of today have it."""

    instrument: Instrument
    ts_open: Moment
    cause: Cause
    received: CandleValues | None = None
    """Open, high, low, close and volume as the run received them; `null` where it went on without the minute."""
    canonical: CandleValues | None = None
    """The same of today."""


class EventDifference(Model):
    """An event that one side has and the other has not, or has otherwise."""

    ts_open: Moment
    kind: EventKind
    run: EventBody | None = None
    """The event of the run; `null` where it has none."""
    backtest: EventBody | None = None
    """The event of the backtest; `null` where it has none."""
    cause: Cause
    minute: MinuteDifference | None = None
    """The minute without which this would not differ, given all that differ before it; `null` without a cause."""


class Comparison(Model):
    """The events of a run beside those of the backtest over a tape."""

    events: int
    """The backtest's."""
    events_hash: Sha256
    differing: int
    causes: dict[Cause, int]
    """The number of differences by cause, of those causes that there are."""
    differences: tuple[EventDifference, ...]
    """The first of them."""
    differences_cut: int
    """The number of those that are not listed."""


class CertifiedTape(Model):
    """The minutes of an instrument that a session has read: as it received them, and those of today."""

    instrument: Instrument
    start: Moment
    """The first minute that is read."""
    received_minutes: int
    received_hash: Sha256
    canonical_minutes: int
    canonical_hash: Sha256


class SaidEvent(Model):
    ts_open: Moment
    body: EventBody


class CertifiedSession(Model):
    """One session of a run, from its beginning to the end of the range: its account is that of all bars so far."""

    session: int
    live_from: Moment
    started_at: Moment
    until: Moment
    """The end of the last minute that was compared."""
    bars: int
    """Bars of the range, as received."""
    canonical_bars: int
    tapes: tuple[CertifiedTape, ...]
    differing_minutes: int
    minutes: tuple[MinuteDifference, ...]
    """The first minutes that differ; with all of them the received tapes follow from the candles of today."""
    minutes_cut: int
    """The number of those that are not listed."""
    events: int
    """Events of the run in the range."""
    events_hash: Sha256
    said: tuple[SaidEvent, ...]
    """The first of them."""
    said_cut: int
    received: Comparison
    """The first half: the run beside the backtest over the received tapes, which must be equal."""
    canonical: Comparison
    """The second half: the run beside the backtest over the candles of today."""


class CertifiedEngine(Model):
    """Everything besides the strategy and the candles that can change a number."""

    version: int
    params_hash: Sha256
    indicators: dict[str, int]
    """The version of each indicator's kernel, by its id."""
    max_gap_hours: float
    """A position is not held over a longer hole."""


class CertificateContent(Model):
    """A certificate but for the hash that names it."""

    certificate_version: Literal[1] = 1
    run_id: UUID
    strategy_id: UUID
    instrument_key: Annotated[str, Field(pattern=rf"^[a-z0-9]+:[a-z]+:[^{NOT_IN_WORDS}]{{1,40}}$")]
    timeframe: Timeframe
    warmup_from: Moment
    """Opening time of the first bar, where the strategy's indicators begin."""
    spec: StrategySpec
    spec_hash: Sha256
    start: Moment
    """The range that was compared: bars that open at or after this moment …"""
    end: Moment
    """… and have closed by this one."""
    engine: CertifiedEngine
    sessions: tuple[CertifiedSession, ...]
    verdict: Verdict


class Certificate(CertificateContent):
    hash: Sha256
    """SHA-256 of the canonical JSON of everything else."""

    @classmethod
    def of(cls, content: CertificateContent) -> Certificate:
        named = {name: getattr(content, name) for name in CertificateContent.model_fields}
        stated = content.model_dump(mode="json", include=set(CertificateContent.model_fields))
        return cls(**named, hash=content_hash(stated))

    @property
    def is_intact(self) -> bool:
        """Tell if nothing in it was changed since it was made."""
        return self.hash == content_hash(self.model_dump(mode="json", exclude={"hash"}))

    def canonical_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


def verdict_of(sessions: tuple[CertifiedSession, ...]) -> Verdict:
    halves: list[tuple[Any, ...]] = [(one.received.differing, one.canonical) for one in sessions]
    if any(differing or canonical.causes.get(Cause.NONE) for differing, canonical in halves):
        return Verdict.BROKEN
    if any(canonical.differing for _, canonical in halves):
        return Verdict.EXPLAINED
    return Verdict.EQUAL if any(one.bars for one in sessions) else Verdict.EMPTY
