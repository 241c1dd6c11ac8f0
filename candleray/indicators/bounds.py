"""The bounds of every parameter: as the indicators declare them, and as an environment narrows them."""

from __future__ import annotations

import yaml

from candleray.backtests.axes import Number
from candleray.errors import BadFile, InvalidInput, NotFound
from candleray.settings import CONFIGS, read_yaml
from candleray.validation import Model, validated
from kernels.declare import Param
from kernels.indicators import INDICATORS


class Bounds(Model):
    """The bounds that an environment sets for one parameter, and the range a search takes by default."""

    min: Number
    max: Number
    start: Number
    stop: Number
    step: Number

    @staticmethod
    def declared(param: Param) -> Bounds:
        start, stop, step = param.grid
        return Bounds(min=param.ge, max=param.le, start=start, stop=stop, step=step)


class IndicatorRanges(Model):
    params: dict[str, Bounds] = {}
    signal: dict[str, Bounds] = {}


class RangesFile(Model):
    """`configs/<environment>/indicators.yaml`: narrows the declared bounds, never widens them."""

    indicators: dict[str, IndicatorRanges] = {}


def declared_ranges() -> RangesFile:
    """The hard bounds and default ranges as the indicators declare them: the base environment's file."""
    return RangesFile(
        indicators={
            name: IndicatorRanges(
                params={key: Bounds.declared(param) for key, param in indicator.params.items()},
                signal={key: Bounds.declared(param) for key, param in indicator.rule.params.items()},
            )
            for name, indicator in INDICATORS.items()
        }
    )


def narrowed(declared: RangesFile, narrower: RangesFile, name: str) -> RangesFile:
    """`declared` with the bounds of `narrower` where it has some.

    Raises:
        InvalidInput, NotFound: where the file `name` widens a bound or names what does not exist.
    """
    merged = {key: value.model_dump() for key, value in declared.indicators.items()}
    for indicator, ranges in narrower.indicators.items():
        for group, bounds in (("params", ranges.params), ("signal", ranges.signal)):
            for param, bound in bounds.items():
                where = f"{indicator}.{group}.{param}"
                hard = merged.get(indicator, {}).get(group, {}).get(param)
                if hard is None:
                    raise NotFound(f"{name}: there is no {where}")
                if bound.min < hard["min"] or bound.max > hard["max"]:
                    allowed = f"{hard['min']} to {hard['max']}"
                    raise InvalidInput(
                        f"{name}: {where} from {bound.min} to {bound.max} is wider than its hard bounds {allowed}"
                    )
                merged[indicator][group][param] = bound.model_dump()
    return validated(RangesFile, {"indicators": merged}, name)


def read_ranges(environment: str) -> RangesFile:
    path = CONFIGS / environment / "indicators.yaml"
    if not path.exists():
        return RangesFile()
    try:
        content = read_yaml(path)
    except (yaml.YAMLError, UnicodeError, OSError) as exc:
        raise BadFile(f"{path} cannot be read as YAML: {' '.join(str(exc).split())[:200]}") from exc
    return validated(RangesFile, content or {}, str(path))
