"""Compiler flags and compiled types; no other file has any.

No fast-math anywhere: a reordered sum would make a result depend on the compiler. `nogil` lets a thread compute
beside an event loop. Signatures are explicit, with read-only arrays: arrays out of Ray's object store are
read-only, which is another type to numba, and a cache warmed by writable arrays would miss. A read-only signature
takes writable arrays too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import TupleModel
from numba.core.typeconv import Conversion
from numba.extending import intrinsic, register_model, typeof_impl

from kernels.cache import base_folder, compiling, open_folder

Function = TypeVar("Function", bound=Callable[..., Any])
P = ParamSpec("P")
Returned = TypeVar("Returned")

INT = types.int64
SHORT_INT = types.int32
FLOAT = types.float64
WORD = types.uint64

FLOATS = types.Array(FLOAT, 1, "C", readonly=True)
INTS = types.Array(INT, 1, "C", readonly=True)
WORDS = types.Array(WORD, 1, "C", readonly=True)
FLOATS_OUT = types.Array(FLOAT, 1, "C")
INTS_OUT = types.Array(INT, 1, "C")
WORDS_OUT = types.Array(WORD, 1, "C")
FLOAT_ROWS = types.Array(FLOAT, 2, "C", readonly=True)
INT_ROWS = types.Array(INT, 2, "C", readonly=True)
WORD_ROWS = types.Array(WORD, 2, "C", readonly=True)
SHORT_INTS = types.Array(SHORT_INT, 1, "C", readonly=True)
SHORT_INT_ROWS = types.Array(SHORT_INT, 2, "C", readonly=True)
SHORT_INTS_OUT = types.Array(SHORT_INT, 1, "C")
SHORT_INT_ROWS_OUT = types.Array(SHORT_INT, 2, "C")
FLOAT_ROWS_OUT = types.Array(FLOAT, 2, "C")
WORD_ROWS_OUT = types.Array(WORD, 2, "C")

_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": True}


class Record(types.NamedTuple):  # type: ignore[misc]
    """The type of a named tuple. Where it declares a read-only array it takes a writable one, as a signature of
    arrays does; numba's own type does not."""

    def can_convert_from(self, context: Any, other: Any) -> Any:
        if getattr(other, "instance_class", None) is not self.instance_class:
            return None
        conversions = [context.can_convert(theirs, ours) for theirs, ours in zip(other, self, strict=True)]
        return None if None in conversions else max(*conversions, Conversion.safe)


register_model(Record)(TupleModel)


def record_of(fields: type[tuple[Any, ...]], *kinds: Any) -> Record:
    """The compiled type of a named tuple whose fields have these types."""
    return Record(kinds, fields)


class Kernel:
    """A function that is compiled for exactly the declared types, or loaded from the cache, on its first call.

    Importing its module compiles nothing: a process that runs two indicators has no use for sixty. Compiled code
    may call it too; there its caller types it.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        with compiling(Path(numba.config.CACHE_DIR), name):
            compiled: Callable[..., Any] = numba.njit(self.arguments, **_FLAGS)(self.function)
        return compiled

    @cached_property
    def within(self) -> Callable[..., Any]:
        """The function that compiled callers get.

        With wrappers: numba keeps compiled code by the function and its types alone, so what such a caller has
        kept is what the kernel finds.
        """
        within: Callable[..., Any] = numba.njit(**_FLAGS)(self.function)
        return within

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)


@typeof_impl.register(Kernel)
def _typeof_kernel(kernel: Kernel, context: Any) -> Any:
    return typeof_impl(kernel.within, context)


def jit(*arguments: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel of these argument types."""
    return lambda function: Kernel(function, arguments)


def load(*modules: ModuleType) -> None:
    """Compile every kernel of these modules, or load it from the cache, before anyone waits for it."""
    for module in modules:
        for member in vars(module).values():
            if isinstance(member, Kernel):
                _ = member.compiled


class Inline(Generic[P, Returned]):
    """A small function that only compiled code calls: its callers type it, and LLVM inlines it there.

    So it gets no wrappers through which Python or C would call it: a quarter of the time that it takes to compile.
    Called from Python, it runs as it is written.
    """

    def __init__(self, function: Callable[P, Returned]) -> None:
        self.function = function
        self.dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_FLAGS)(function)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> Returned:
        return self.function(*arguments, **named)


@typeof_impl.register(Inline)
def _typeof_inline(inline: Inline[..., Any], context: Any) -> Any:
    return typeof_impl(inline.dispatcher, context)


def inline(function: Callable[P, Returned]) -> Inline[P, Returned]:
    """Declare a small function that only compiled code calls."""
    return Inline(function)


def splice(function: Function) -> Function:
    """Declare a function as `inline` does, whose code is put into its callers' before types are inferred.

    For what hands records of arrays from function to function on every trade: where `inline` counts references to
    them, a walk under limits took 72 ms, and 44 spliced.
    """
    spliced: Function = numba.njit(inline="always", **_FLAGS)(function)
    return spliced


def pointer_to(kind: Any) -> Any:
    """A function for compiled code: turns an address, a `uint64`, into a pointer to a value of that type."""

    @intrinsic
    def pointer(_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(WORD), generate

    return pointer


@intrinsic
def fetch_to_write(_context, address):
    """Have the cache line at an address fetched that is soon written; for compiled code."""

    def generate(_target, builder, _signature, arguments):
        small, line = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [line, small, small, small])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(fetch, [builder.inttoptr(arguments[0], line), small(1), small(2), small(1)])

    return types.void(WORD), generate


@intrinsic
def fma(_context, left, right, addend):
    """Return `left · right + addend`, rounded once; for compiled code.

    One instruction of 4 cycles, where a product and a sum take 6: a recursive average waits for nothing else. The
    compiler may not join the two by itself, because that changes the last digit; written down it is the same digit
    on every machine.
    """

    def generate(_target, builder, _signature, arguments):
        return builder.fma(*arguments)

    return FLOAT(FLOAT, FLOAT, FLOAT), generate


numba.config.CACHE_DIR = str(open_folder(Path(__file__).parent, base_folder()))
