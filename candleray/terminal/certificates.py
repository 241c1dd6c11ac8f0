"""Certificates of runs and their verifications on a console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from candleray.live.certificates.certificate import (
    CAUSE_MEANINGS,
    VERDICT_MEANINGS,
    CertifiedSession,
    EventDifference,
    MinuteDifference,
)
from candleray.live.certificates.verification import FINDING_MEANINGS, Verification
from candleray.terminal.console import output
from candleray.terminal.tables import minute_text, number_text, print_table, second_text

if TYPE_CHECKING:
    from candleray.live.certificates.certificate import Certificate, Comparison
    from candleray.live.events import EventBody

SHOWN = 20
"""Differences that are printed of each half of a session."""

_COLUMNS = ("open", "high", "low", "close", "volume")
_SAID = ("signal", "side", "price", "quantity", "reason", "pnl_quote", "equity_quote", "minutes")


def print_certificate(certificate: Certificate) -> None:
    span = f"{second_text(certificate.start)} to {second_text(certificate.end)}"
    console = output()
    console.print(f"run {certificate.run_id}: {certificate.instrument_key} {certificate.timeframe}, {span}")
    if certificate.sessions:
        _print_sessions(certificate)
    for session in certificate.sessions:
        name = f"session {session.session}: "
        _print_differences(f"{name}over the candles that it received", session.received)
        _print_differences(f"{name}over the candles of today", session.canonical)
    console.print(f"{certificate.verdict}: {VERDICT_MEANINGS[certificate.verdict]}", style="bold")
    for cause in sorted({cause for session in certificate.sessions for cause in session.canonical.causes}):
        console.print(f"  {cause}: {CAUSE_MEANINGS[cause]}")
    console.print(f"certificate {certificate.hash}, engine {certificate.engine.version}")


def _print_sessions(certificate: Certificate) -> None:
    names = ("session", "live from", "until", "bars", "events", "as received", "of today", "minutes that differ")
    rows = [_session_row(session) for session in certificate.sessions]
    print_table(output(), names, rows, text=("live from", "until", "as received", "of today"))


def _session_row(session: CertifiedSession) -> tuple[str, ...]:
    return (
        str(session.session),
        minute_text(session.live_from),
        minute_text(session.until),
        f"{session.bars:,}",
        f"{session.events:,}",
        _equal_or(session.received),
        _equal_or(session.canonical),
        f"{session.differing_minutes:,}",
    )


def _equal_or(half: Comparison) -> str:
    return f"{half.differing:,} differ" if half.differing else "equal"


def _print_differences(title: str, half: Comparison) -> None:
    if not half.differing:
        return
    names = ("bar", "event", "the run", "the backtest", "cause", "minute")
    shown = half.differences[:SHOWN]
    rows = [_difference_row(difference) for difference in shown]
    print_table(output(), names, rows, title=f"{title}, {half.differing:,} events differ", text=names)
    if half.differing > len(shown):
        output().print(f"… and {half.differing - len(shown):,} more")


def _difference_row(difference: EventDifference) -> tuple[str, ...]:
    run, backtest = difference.run, difference.backtest
    return (
        minute_text(difference.ts_open),
        difference.kind.value,
        _body(run, backtest),
        _body(backtest, run),
        difference.cause.value,
        "–" if difference.minute is None else _minute(difference.minute),
    )


def _body(body: EventBody | None, other: EventBody | None) -> str:
    """The fields of an event in which it differs from the other, those that tell most first."""
    if body is None:
        return "–"
    told = body.model_dump(mode="json", exclude={"kind"})
    others = {} if other is None else other.model_dump(mode="json")
    names = [name for name in (*_SAID, *told) if name in told and told[name] != others.get(name)]
    return ", ".join(f"{name} {_value(told[name])}" for name in dict.fromkeys(names[:3]))


def _minute(minute: MinuteDifference) -> str:
    return f"{minute.instrument.symbol} {minute_text(minute.ts_open)}: {', '.join(_changes(minute))}"


def _changes(minute: MinuteDifference) -> Iterator[str]:
    if minute.received is None or minute.canonical is None:
        yield "was missing" if minute.received is None else "is missing"
        return
    for name, before, now in zip(_COLUMNS, minute.received, minute.canonical, strict=True):
        if before != now:
            yield f"{name} {number_text(before)} → {number_text(now)}"


def _value(value: object) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def print_verification(verification: Verification) -> None:
    console = output()
    names = ("session", "instrument", "as received", "of today")
    rows = [
        (str(session.session), tape.instrument.key, _same(tape.is_received), _same(tape.is_canonical))
        for session in verification.sessions
        for tape in session.tapes
    ]
    if rows:
        print_table(console, names, rows, text=names[1:])
    if not verification.is_intact:
        console.print("the certificate was changed since it was made: its hash is that of another content")
    if not verification.is_same_engine:
        console.print("the engine here has other versions than the one that made the certificate")
    for session in verification.sessions:
        for said in session.said:
            console.print(f"session {session.session}: {said}")
    console.print(f"{verification.finding}: {FINDING_MEANINGS[verification.finding]}", style="bold")


def _same(is_same: bool) -> str:
    return "the same candles" if is_same else "other candles"
