"""The indicators, one file each, discovered."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from kernels.declare import Indicator
from kernels.discover import modules_of

INDICATORS: Mapping[str, Indicator] = MappingProxyType(
    {name: replace(module.INDICATOR, name=name) for name, module in modules_of(sys.modules[__name__])}
)

__all__ = ["INDICATORS"]
