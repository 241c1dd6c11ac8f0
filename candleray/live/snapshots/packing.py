"""Trees of plain values and arrays as bytes that show whether they are whole and whose they are.

Bytes out of a database are read as numbers and text alone: nothing that they say is ever run.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tree: TypeAlias = dict[str, Any]
"""Lists and dictionaries of whole numbers, texts, None and arrays."""

_DIGEST_BYTES, _LENGTH_BYTES, _ALIGNED = 16, 8, 8
_DTYPES = {np.dtype(kind).str: np.dtype(kind) for kind in (np.int64, np.float64, np.uint8)}
_ARRAY = "array"


class BrokenSnapshot(ValueError):
    """Bytes are not the whole snapshot that they are asked for as."""


def pack(tree: Tree, name: str) -> bytes:
    """
    Args:
        name: of whose they are; the same has to be given to read them.

    Raises:
        TypeError: the tree holds something else.
    """
    arrays: list[bytes] = []
    text = json.dumps(_written(tree, arrays), separators=(",", ":")).encode()
    head = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    body = b"".join([head, bytes(-len(head) % _ALIGNED), *arrays])
    return _digest(body, name) + body


def unpack(content: bytes, name: str) -> Tree:
    """Read what `pack` has made; its arrays are read-only.

    Raises:
        BrokenSnapshot: they are cut short, changed, or somebody else's.
    """
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if digest != _digest(body, name):
        raise BrokenSnapshot(f"{len(content):,} bytes are not the whole snapshot of {name}")
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    first = end + -end % _ALIGNED
    tree: Tree = _read(json.loads(body[_LENGTH_BYTES:end]), memoryview(body)[first:])
    return tree


def _digest(body: bytes, name: str) -> bytes:
    named = hashlib.blake2b(name.encode(), digest_size=32).digest()
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES, key=named).digest()


def _written(part: Any, arrays: list[bytes]) -> Any:
    if isinstance(part, dict):
        return {key: _written(value, arrays) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_written(each, arrays) for each in part]
    if isinstance(part, np.ndarray):
        return _written_array(part, arrays)
    if part is None or isinstance(part, int | str):
        return part
    raise TypeError(f"a snapshot holds no {type(part).__name__}")


def _written_array(array: NDArray[Any], arrays: list[bytes]) -> Any:
    content = array.tobytes()
    if array.dtype.str not in _DTYPES:
        raise TypeError(f"a snapshot holds no array of {array.dtype}")
    arrays += [content, bytes(-len(content) % _ALIGNED)]
    return {_ARRAY: [array.dtype.str, *array.shape]}


def _read(part: Any, arrays: memoryview) -> Any:
    at = 0

    def read(one: Any) -> Any:
        nonlocal at
        if isinstance(one, list):
            return [read(each) for each in one]
        if not isinstance(one, dict):
            return one
        if one.keys() != {_ARRAY}:
            return {key: read(value) for key, value in one.items()}
        kind, *shape = one[_ARRAY]
        dtype, count = _DTYPES[kind], int(np.prod(shape, dtype=np.int64))
        found = np.frombuffer(arrays, dtype, count, at).reshape(shape)
        at += found.nbytes + -found.nbytes % _ALIGNED
        return found

    return read(part)
