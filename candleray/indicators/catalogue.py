"""The catalogue: every indicator described for people, with its bounds in this environment.

Nothing here knows an indicator by name. The models of requests that are made from it are in `request_models`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import lru_cache

from candleray.backtests.axes import Steps
from candleray.errors import NotFound, nearest
from candleray.indicators.bounds import Bounds, RangesFile, declared_ranges, narrowed, read_ranges
from candleray.indicators.info import IndicatorInfo, InputInfo, ParamInfo, RuleInfo
from candleray.settings import get_settings
from kernels.declare import Indicator, Param
from kernels.indicators import INDICATORS
from kernels.rules import FAMILIES


class Catalogue:
    """The indicators as one environment allows them."""

    def __init__(self, ranges: RangesFile, max_axis_values: int) -> None:
        self.ranges = ranges
        self.max_axis_values = max_axis_values

    def find(self, indicator_id: str) -> Indicator:
        """Raises NotFound with the nearest name."""
        if indicator_id not in INDICATORS:
            raise NotFound(f"unknown indicator {indicator_id!r}; {nearest(indicator_id, list(INDICATORS))}")
        return INDICATORS[indicator_id]

    def describe(self) -> list[IndicatorInfo]:
        return [self.info(name) for name in INDICATORS]

    def info(self, name: str) -> IndicatorInfo:
        """Raises NotFound with the nearest name."""
        indicator = self.find(name)
        ranges = self.ranges.indicators[name]
        return IndicatorInfo(
            id=name,
            title=indicator.title,
            version=indicator.version,
            description=inspect.getdoc(sys.modules[f"kernels.indicators.{name}"]) or "",
            source=indicator.source,
            inputs=tuple(
                InputInfo(name=key, columns=columns, default=columns[0])
                for key, columns in indicator.inputs.items()
            ),
            outputs=indicator.outputs,
            params=_param_infos(indicator.params, ranges.params),
            rule=RuleInfo(
                family=indicator.rule.family,
                meaning=FAMILIES[indicator.rule.family].meaning,
                params=_param_infos(indicator.rule.params, ranges.signal),
            ),
        )


@lru_cache(maxsize=1)
def get_catalogue() -> Catalogue:
    """The catalogue of this process's environment."""
    settings = get_settings()
    ranges = declared_ranges()
    for environment in ("base", settings.environment):
        ranges = narrowed(ranges, read_ranges(environment), f"configs/{environment}/indicators.yaml")
    return Catalogue(ranges, settings.guards.max_axis_values)


def _param_infos(params: Mapping[str, Param], bounds: Mapping[str, Bounds]) -> tuple[ParamInfo, ...]:
    return tuple(
        ParamInfo(
            name=name,
            kind=param.kind,
            description=param.description,
            default=param.default,
            min=bounds[name].min,
            max=bounds[name].max,
            step=param.step,
            grid=Steps(start=bounds[name].start, stop=bounds[name].stop, step=bounds[name].step),
        )
        for name, param in params.items()
    )
