"""Find indicators by what they measure, such as trend, volatility, volume, overbought: each with its parameters
and the rule of its signal.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from candleray.agents.answers import Answer, NextCall
from candleray.agents.handles import INDICATORS, indicator_of
from candleray.agents.tool import Call, Tool
from candleray.indicators.info import IndicatorInfo, ParamInfo
from candleray.validation import Model


class Arguments(Model):
    measures: Annotated[str, Field(max_length=200)] = ""
    """Words for what is measured, or the id of an indicator; all are listed by name where it is left out."""
    limit: Annotated[int, Field(ge=1, le=20)] = 6


class Parameter(Model):
    name: str
    default: float
    min: float
    max: float


class Indicator(Model):
    id: str
    measures: str
    inputs: tuple[str, ...] = ()
    params: tuple[Parameter, ...] = ()
    signal: tuple[Parameter, ...] = ()
    """Parameters of the rule, given under `signal` of a request."""
    rule: str
    """The rule by which it says long and short."""
    exact: str


class Indicators(Answer):
    indicators: tuple[Indicator, ...] = ()
    ids: tuple[str, ...] = ()
    """All that there are, where nothing was asked for or nothing matches."""


def _run(call: Call, asked: Arguments) -> Indicators:
    known = call.client.indicators()
    words = set(re.findall(r"[a-z0-9]+", asked.measures.lower()))
    matches = sorted((-_matches(one, words), one.id, one) for one in known if _matches(one, words))
    if not matches:
        return Indicators(ids=tuple(one.id for one in known), exact=INDICATORS, next=(_NARROWER,))
    return Indicators(indicators=tuple(_shown(one) for *_, one in matches[: asked.limit]), next=(_EXPLAIN,))


_NARROWER = NextCall(tool="find_indicators", why="an id as `measures` gives its parameters")
_EXPLAIN = NextCall(tool="explain_strategy", why="say a request with them in words, before it is searched")


def _matches(indicator: IndicatorInfo, words: set[str]) -> int:
    """Words found in what is said of it; in its name they count more."""
    named = set(re.findall(r"[a-z0-9]+", f"{indicator.id} {indicator.title}".lower()))
    told = f"{indicator.description} {indicator.rule.meaning} {indicator.rule.family}".lower()
    exact = 100 * (indicator.id in words)
    return exact + sum(3 * (word in named) + (word in told) for word in words)


def _shown(indicator: IndicatorInfo) -> Indicator:
    return Indicator(
        id=indicator.id,
        measures=indicator.description.partition("\n")[0],
        inputs=tuple(f"{one.name}: {', '.join(one.columns)}" for one in indicator.inputs),
        params=tuple(map(_parameter, indicator.params)),
        signal=tuple(map(_parameter, indicator.rule.params)),
        rule=indicator.rule.meaning,
        exact=indicator_of(indicator.id),
    )


def _parameter(param: ParamInfo) -> Parameter:
    return Parameter(name=param.name, default=param.default, min=param.min, max=param.max)


TOOL = Tool("Find indicators", Arguments, Indicators, _run)
