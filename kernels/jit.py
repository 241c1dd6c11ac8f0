"""The only place with compiler flags and compiled types.

No fast-math anywhere: a reordered sum would make a result depend on the compiler (R4.11). `nogil` lets a thread
compute beside an event loop. Signatures are explicit, with read-only arrays: what comes out of Ray's object store
is read-only, which is another type to numba, and a cache warmed by writable arrays would miss. A read-only
signature takes writable arrays too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numba
from numba import types
from numba.extending import intrinsic, typeof_impl

from kernels.cache import base_folder, open_folder

Function = TypeVar("Function", bound=Callable[..., Any])

INT = types.int64
FLOAT = types.float64
WORD = types.uint64

FLOATS = types.Array(FLOAT, 1, "C", readonly=True)
INTS = types.Array(INT, 1, "C", readonly=True)
WORDS = types.Array(WORD, 1, "C", readonly=True)
FLOATS_OUT = types.Array(FLOAT, 1, "C")
INTS_OUT = types.Array(INT, 1, "C")
WORDS_OUT = types.Array(WORD, 1, "C")
PLANES = types.Array(WORD, 2, "C", readonly=True)
PLANES_OUT = types.Array(WORD, 2, "C")
COUNTS = types.Array(INT, 2, "C", readonly=True)
TABLE = types.Array(FLOAT, 2, "C", readonly=True)
TABLE_OUT = types.Array(FLOAT, 2, "C")

_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": True}


class Kernel:
    """A function, compiled for exactly the declared types or loaded from the cache when it is first called.

    Not when its module is imported: a process that runs two indicators has no use for sixty. Compiled code may
    call it too; there its caller types it.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        compiled: Callable[..., Any] = numba.njit(self.arguments, **_FLAGS)(self.function)
        return compiled

    @cached_property
    def within(self) -> Callable[..., Any]:
        """What a compiled caller sees."""
        return inline(self.function)

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)


@typeof_impl.register(Kernel)
def _typeof_kernel(kernel: Kernel, context: Any) -> Any:
    return typeof_impl(kernel.within, context)


def jit(*arguments: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel of these argument types."""
    return lambda function: Kernel(function, arguments)


def load(*modules: ModuleType) -> None:
    """Compile, or load from the cache, every kernel of these modules now: before anyone waits for it."""
    for module in modules:
        for thing in vars(module).values():
            if isinstance(thing, Kernel):
                _ = thing.compiled


def inline(function: Function) -> Function:
    """For small functions that only compiled code calls: typed by their callers, and inlined there by LLVM."""
    compiled: Function = numba.njit(**_FLAGS)(function)
    return compiled


def pointer_to(kind: Any) -> Any:
    """For compiled code: the address of a value, in a `uint64`, as a pointer to that type."""

    @intrinsic
    def pointer(_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(WORD), generate

    return pointer


@intrinsic
def fma(_context, left, right, addend):
    """`left · right + addend`, rounded once, for compiled code.

    One instruction of 4 cycles, where a product and a sum take 6: a recursive average waits for nothing else. The
    compiler may not join the two by itself, because that changes the last digit; written down it is the same digit
    on every machine.
    """

    def generate(_target, builder, _signature, arguments):
        return builder.fma(*arguments)

    return FLOAT(FLOAT, FLOAT, FLOAT), generate


numba.config.CACHE_DIR = str(open_folder(Path(__file__).parent, base_folder()))
