"""Durations of the core."""

from __future__ import annotations

from dataclasses import dataclass

from candleray.settings import LiveSettings

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Pace:
    """Durations in ms of the clock that the core is given, which is the venue's."""

    flush_ms: int = 200
    """Age of the first row at which a batch is inserted."""
    late_ms: int = 8_000
    """Time after the close of a minute at which REST is asked for it, where the socket has not told it."""
    poll_ms: int = 1_500
    """The same where no socket serves, and for minutes that closed while a socket was away."""
    stale_ms: int = 75_000
    """Silence, without any closed candle, after which a socket is rebuilt."""
    retry_ms: int = 1_000
    """The first pause after a failure or a fruitless question; it doubles."""
    longest_retry_ms: int = 15_000
    longest_fruitless_ms: int = 120_000
    """The longest pause between two questions for an instrument whose exchange has nothing new."""
    verdict_ms: int = 120_000
    """The least time between the two questions of a hole verdict."""
    stream_wait_ms: int = 20_000
    """The longest time for which a newer minute waits for an older one before it enters the stream."""
    recheck_ms: int = HOUR_MS
    """Time between two questions for a hole."""
    renew_before_ms: int = 900_000
    """Lead of a new socket over the age at which the exchange cuts the old one."""
    future_ms: int = 2_000
    """Lead of the venue over our estimate of its clock; a minute that closes later still is refused."""

    @staticmethod
    def of(live: LiveSettings) -> Pace:
        return Pace(
            flush_ms=_ms(live.flush_s),
            late_ms=_ms(live.late_s),
            poll_ms=_ms(live.poll_s),
            stale_ms=_ms(live.stale_s),
            retry_ms=_ms(live.retry_s),
            longest_retry_ms=_ms(live.longest_retry_s),
            longest_fruitless_ms=_ms(max(live.verdict_s, live.longest_retry_s)),
            verdict_ms=_ms(live.verdict_s),
            stream_wait_ms=_ms(live.stream_wait_s),
            recheck_ms=_ms(live.recheck_s),
            renew_before_ms=_ms(live.renew_before_s),
            future_ms=_ms(live.future_s),
        )

    def pause_ms(self, failures: int, longest_ms: int) -> int:
        """The pause after that many failures in a row."""
        return min(longest_ms, self.retry_ms << min(max(failures - 1, 0), 16))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
