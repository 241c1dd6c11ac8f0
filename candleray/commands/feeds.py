"""`candleray feeds`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from candleray.terminal.console import output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.tables import minute_text, print_table, second_text
from candleray.text_table import duration_text

if TYPE_CHECKING:
    from candleray.feeds.feed_state import CatchUp, FeedState

_NOT_SHARED = (
    "the request budget is not shared, because Valkey does not answer: live candles, backfills and repairs keep "
    "to a part of it each"
)


SILENT_S = 20.0
"""A feed tells of itself every 5 s, and after a failure within 5 s more."""


def feeds(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show each market's feed of live candles: sockets, lag, what REST filled, what was refused and why.

    Example: candleray feeds
    """
    with connect(api, data) as client:
        found = client.feeds()
    if as_json:
        print_json(found)
    else:
        _print_feeds(found)


def _print_feeds(states: Sequence[FeedState]) -> None:
    socket = ("market", "mode", "subscribed", "connected since", "last candle")
    names = (*socket, "lag p50", "lag p99", "reconnects", "by REST", "incomplete")
    rows = [
        (
            state.market,
            state.mode,
            f"{state.subscribed:,}",
            second_text(state.connected_since) if state.connected_since else "",
            second_text(state.last_candle) if state.last_candle else "",
            _seconds(state.lag_p50_ms),
            _seconds(state.lag_p99_ms),
            f"{state.reconnects:,}",
            f"{state.filled:,}",
            f"{state.incomplete:,}",
        )
        for state in states
    ]
    print_table(output(), names, rows, text=names[:2])
    for state in states:
        for line in _remarks(state):
            output().print(f"{state.market}: {line}", soft_wrap=True, highlight=False, markup=False)
        if state.catch_up:
            _print_catch_up(state.market, state.catch_up)


def _print_catch_up(market: str, course: CatchUp) -> None:
    """A bar on a terminal, and a plain line."""
    if output().is_terminal:
        from rich.progress_bar import ProgressBar

        total = course.minutes_done + course.minutes_left
        output().print(ProgressBar(total=total, completed=course.minutes_done, width=40), end=" ")
    instruments = "1 instrument" if course.instruments == 1 else f"{course.instruments:,} instruments"
    left = "" if course.eta_s is None else f", about {duration_text(course.eta_s)} more"
    line = (
        f"{market}: catches up: {course.minutes_done:,} minutes done, {course.minutes_left:,} of {instruments} "
        f"missing{left}"
    )
    output().print(line, soft_wrap=True, highlight=False, markup=False)


def _remarks(state: FeedState) -> list[str]:
    """Sentences on what an operator should look at."""
    when = f"last trouble of a socket, {second_text(state.trouble_at)}: " if state.trouble_at else ""
    told = [f"{when}{state.reason}"] if state.reason else []
    told += [f"{symbol} is not followed: {notice}" for symbol, notice in state.not_traded.items()]
    told += [
        f"{symbol} has no candle since {minute_text(since)}: neither stream nor REST tells one; whether it still "
        "trades is asked within minutes"
        for symbol, since in state.silent.items()
    ]
    told += [f"REST fails and is asked again: {state.rest_trouble}"] if state.rest_trouble else []
    told += [f"{state.holes:,} minutes of the last day are holes: the exchange does not have them"] * bool(
        state.holes
    )
    told += [] if state.budget_shared else [_NOT_SHARED]
    told += [f"{reason}: {one.count:,}, first {one.example}" for reason, one in state.refused.items()]
    told += [f"{symbol} is not streamed: {said}" for symbol, said in state.refused_symbols.items()]
    told += [f"{waiting} wait: {reason}" for waiting, reason in state.waits.items()]
    told += [f"{state.waiting:,} rows wait for the store"] if state.waiting > 1000 else []
    told += [f"{state.unpublished:,} minutes wait for the stream"] if state.unpublished > 1000 else []
    if halt := state.last_halt:
        told.append(f"stood still for {halt.seconds:,.0f} s until {second_text(halt.until)}: {halt.cause}")
    if state.told_ago_s is not None and state.told_ago_s > SILENT_S:
        told.append(f"has told nothing of itself for {state.told_ago_s:,.0f} s: what stands here is as old")
    return told


def _seconds(lag_ms: int | None) -> str:
    return "" if lag_ms is None else f"{lag_ms / 1000:.2f} s"
