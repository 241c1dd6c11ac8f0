"""The tail of a message about a text that names no operand: what was meant, as it is written."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from candleray.errors import nearest

PriceColumn: TypeAlias = Literal["open", "high", "low", "close", "volume", "hlc3", "ohlc4"]
TimePart: TypeAlias = Literal["hour", "weekday"]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EARLIER = ("ago", "bars_ago", "lag", "offset", "prev", "previous", "ref", "shift")
_CALL = re.compile(r"\s*([a-z][a-z0-9_]*)\s*\(.*")
_LONGEST_NUMBER = 40
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def name_hint(text: str, names: list[str]) -> str:
    """Return the nearest name of `let`; else how a price, a time, a number or an indicator is written."""
    hint = written_otherwise(text) or close_match(text, names)
    if hint:
        return hint
    return f"{indicator_written_as(text)}; {nearest(text, names)} in let" if names else indicator_written_as(text)


def written_otherwise(text: str) -> str | None:
    """Return how a price, a time, an earlier value or a number is written, where the text is one of them."""
    word = text.strip().lower()
    if word in get_args(PriceColumn):
        return f'a price is written {{"price": "{word}"}}'
    if word in get_args(TimePart):
        return f'a time is written {{"time": "{word}"}}'
    if word in _EARLIER:
        return 'the value of the bar before is written {"price": "close", "shift": 1}'
    if word in _WEEKDAYS:
        return f"a weekday is a number, Monday is 0: {_WEEKDAYS.index(word)}"
    number = _number(word)
    return None if number is None else f"a number is written without quotes: {number}"


def _number(word: str) -> str | None:
    """Return the number that a word is, with all of its digits; what is no finite one is none."""
    try:
        number = float(word) if len(word) <= _LONGEST_NUMBER else math.nan
    except ValueError:
        return None
    return repr(number).removesuffix(".0") if math.isfinite(number) else None


def close_match(text: str, known: Iterable[str]) -> str | None:
    """Return the nearest known name, where one is near."""
    close = difflib.get_close_matches(text[:64].lower(), [*known], n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else None


def indicator_written_as(text: str) -> str:
    """Return how the indicator is written that a text names, and where its parameters stand."""
    match = _CALL.fullmatch(text[:200])
    word = match[1] if match else text
    written = f'{{"id": "{word if _NAME.fullmatch(word) else "ema"}", "params": {{…}}}}'
    return f"an indicator is written {written}"
