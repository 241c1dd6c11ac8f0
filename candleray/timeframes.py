"""Timeframes, and time as whole milliseconds of UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, model_validator
from pydantic_core import PydanticCustomError

from candleray.validation import Model

MINUTE_MS = 60_000
DAY_MS = 86_400_000

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
TIMEFRAMES: tuple[Timeframe, ...] = get_args(Timeframe)

_OF_OUR_YEARS = "a time in the years 1970 to 2199 is needed"
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")

_MINUTES: dict[str, int] = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}


def minutes_of(timeframe: Timeframe) -> int:
    return _MINUTES[timeframe]


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch; a moment without a zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def ms_of(time: datetime | str) -> int:
    """Read a moment, or text like `2025-01-01`, in UTC where it has no zone, as milliseconds since the epoch.

    Raises:
        ValueError: with words; only years are taken in which every zone, step and store can count.
    """
    try:
        moment = datetime.fromisoformat(time.strip()) if isinstance(time, str) else time
    except ValueError:
        raise ValueError(f"{time!r} is not a time like 2025-01-01 or 2025-01-01T12:30:00Z") from None
    if not _is_of_our_years(moment):
        raise ValueError(f"{_OF_OUR_YEARS}, got {moment.isoformat()}")
    return to_ms(moment)


def from_ms(ts_ms: int) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)


def iso(ts_ms: int) -> str:
    """`2025-01-01T00:00:00Z`, with milliseconds only where there are some."""
    timespec = "milliseconds" if ts_ms % 1000 else "seconds"
    return from_ms(ts_ms).isoformat(timespec=timespec).replace("+00:00", "Z")


def iso_or_ms(ts_ms: int) -> str:
    """`iso`, or the number where no year has it: whoever tells a time may tell any."""
    try:
        return iso(ts_ms)
    except (ValueError, OverflowError, OSError):
        return f"{ts_ms} ms"


def _is_of_our_years(moment: datetime) -> bool:
    """The ends of the calendar overflow by a zone or a step."""
    return 1970 <= moment.year < 2200


def _to_utc(moment: datetime) -> datetime:
    if not _is_of_our_years(moment):
        words = {"needed": _OF_OUR_YEARS, "got": moment.isoformat()}
        raise PydanticCustomError("out_of_years", "{needed}, got {got}", words)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _no_numbers(value: Any) -> Any:
    # In a URL a number is text as well, and 20250101 would be a day of 1970.
    if isinstance(value, bool | int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        words = {"got": repr(value)[:40]}
        raise PydanticCustomError(
            "not_a_time", "a time is text like 2025-01-01T00:00:00Z, not a number, got {got}", words
        )
    return value


Moment = Annotated[datetime, BeforeValidator(_no_numbers), AfterValidator(_to_utc)]


class TimeRange(Model):
    """`[start, end)` in UTC: the bars that lie wholly in it."""

    other_words: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("from", "since", "begin"), "start"),
        **dict.fromkeys(("to", "until", "stop"), "end"),
    }

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _start_before_end(self) -> TimeRange:
        if self.start >= self.end:
            raise PydanticCustomError(
                "empty_range",
                "start {start} must be before end {end}",
                {"start": iso(to_ms(self.start)), "end": iso(to_ms(self.end))},
            )
        return self

    @property
    def start_ms(self) -> int:
        return to_ms(self.start)

    @property
    def end_ms(self) -> int:
        return to_ms(self.end)
