"""The catalogue: every indicator described for people; the bounds that an environment may narrow."""

from __future__ import annotations

import pytest

from candleray.errors import InvalidInput, NotFound
from candleray.indicators.bounds import RangesFile, declared_ranges, narrowed
from candleray.indicators.catalogue import get_catalogue
from kernels.indicators import INDICATORS


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_is_described_with_its_bounds(name: str):
    info = next(info for info in get_catalogue().describe() if info.id == name)
    assert info.title
    assert info.description
    assert info.source
    assert info.rule.meaning
    for param in (*info.params, *info.rule.params):
        assert param.min <= param.grid.start <= param.grid.stop <= param.max
        assert param.min <= param.default <= param.max


def test_an_unknown_indicator_by_name_is_not_found():
    with pytest.raises(NotFound, match="did you mean 'bbands'"):
        get_catalogue().find("bband")


def narrower(minimum: float, maximum: float) -> RangesFile:
    bounds = {"min": minimum, "max": maximum, "start": 10, "stop": 50, "step": 10}
    return RangesFile.model_validate({"indicators": {"sma": {"params": {"window": bounds}}}})


def test_an_environment_narrows_the_bounds_and_leaves_the_others():
    declared = declared_ranges().indicators["sma"]
    bounds = narrowed(declared_ranges(), narrower(10, 100), "configs/test/indicators.yaml").indicators["sma"]
    assert (bounds.params["window"].min, bounds.params["window"].max) == (10, 100)
    assert bounds.signal == declared.signal


def test_an_environment_never_widens_the_bounds():
    with pytest.raises(InvalidInput, match=r"sma.params.window from 1 to 100 is wider than its hard bounds 2 to"):
        narrowed(declared_ranges(), narrower(1, 100), "configs/test/indicators.yaml")


def test_an_environment_naming_what_does_not_exist_is_refused():
    unknown = RangesFile.model_validate(
        {
            "indicators": {
                "sam": {"params": {}},
                "sma": {"signal": {"x": {"min": 1, "max": 2, "start": 1, "stop": 2, "step": 1}}},
            }
        }
    )
    with pytest.raises(NotFound, match=r"there is no sma\.signal\.x"):
        narrowed(declared_ranges(), unknown, "configs/test/indicators.yaml")
