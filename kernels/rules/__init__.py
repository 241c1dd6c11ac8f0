"""The families of signal rules, one file each, discovered."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from kernels.declare import RuleFamily
from kernels.discover import modules_of

FAMILIES: Mapping[str, RuleFamily] = MappingProxyType(
    {name: replace(module.FAMILY, name=name) for name, module in modules_of(sys.modules[__name__])}
)

__all__ = ["FAMILIES"]
