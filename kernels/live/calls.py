"""Calls of kernels out of compiled code, one after the other, with arguments that lie in memory.

A call out of Python takes 2 to 8 µs, and most kernels take less than one for one more bar: a shard of thousands of
runs would do little else than call. The code that is called is the kernel's own.

Arguments lie in slots of eight bytes, in the kernel's order: a number has one, an array those that numba has for
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.jit import WORD, Kernel

ARRAY_SLOTS = 7
SIZE_AT, ITEM_AT, DATA_AT, SHAPE_AT, STRIDE_AT = 2, 3, 4, 5, 6
"""The slots of an array that are not zero."""

_SLOT_BYTES = 8


def leaves_of(kernel: Any) -> list[Any]:
    """The types of a kernel's arguments, those of a named tuple one by one."""
    return [leaf for argument in kernel.arguments for leaf in _leaves(argument)]


def _leaves(kind: Any) -> Iterator[Any]:
    if isinstance(kind, types.BaseTuple):
        for part in kind:
            yield from _leaves(part)
    else:
        yield kind


def slots_of(leaves: list[Any]) -> tuple[NDArray[np.int64], list[int]]:
    """Slots for arguments of these types, with what is known of arrays by their type, and where each begins."""
    counts = [ARRAY_SLOTS if isinstance(leaf, types.Array) else 1 for leaf in leaves]
    slots, firsts = np.zeros(sum(counts), np.int64), np.cumsum([0, *counts[:-1]]).tolist()
    for leaf, first in zip(leaves, firsts, strict=True):
        if isinstance(leaf, types.Array):
            slots[[first + ITEM_AT, first + STRIDE_AT]] = leaf.dtype.bitwidth // 8
    return slots, firsts


@cache
def address_of(kernel: Kernel) -> int:
    """The address of code that calls a kernel with the arguments at an address."""
    compiled: Any = kernel.compiled
    [made] = compiled.overloads.values()
    callee = made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)
    name = f"call_{made.fndesc.llvm_cfunc_wrapper_name}"
    with global_compiler_lock:
        library = cpu_target.target_context.codegen().create_library(name)
        library.add_ir_module(_module(library.create_ir_module(name), name, callee, made.fndesc))
        library.finalize()
    _LOADED.append((library, compiled))
    address: int = library.get_pointer_to_function(name)
    return address


_LOADED: list[Any] = []
"""Code whose address is known: it stays."""


def _module(module: Any, name: str, callee: int, described: Any) -> Any:
    context, word = cpu_target.target_context, ir.IntType(64)
    code = ir.Function(module, ir.FunctionType(ir.VoidType(), [word]), name)
    build = ir.IRBuilder(code.append_basic_block())
    arguments, offset = [], 0
    for argument in described.argtypes:
        kind = context.get_value_type(argument)
        place = build.add(code.args[0], ir.Constant(word, offset))
        arguments.append(build.load(build.inttoptr(place, kind.as_pointer())))
        offset += context.get_abi_sizeof(kind)
    called = ir.FunctionType(context.get_value_type(described.restype), [each.type for each in arguments])
    build.call(build.inttoptr(ir.Constant(word, callee), called.as_pointer()), arguments)
    build.ret_void()
    return module


@intrinsic
def call_at(_context, address, arguments):
    """Call code of `address_of`, in compiled code."""

    def generate(context, builder, _signature, values):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])
        return context.get_dummy_value()

    return types.void(WORD, WORD), generate
