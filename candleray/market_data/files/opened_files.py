"""Files opened once, whatever they are: a pipe is copied whole before it is looked at."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from candleray.market_data.files.file_times import refuse

STANDARD_INPUT = Path("-")
MOST_BYTES = 16 * 2**30

_IN_MEMORY_BYTES = 64 * 2**20


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes as a stream that can be read again; `-` is standard input.

    Raises:
        BadFile: it cannot be read, or a pipe gives more than 16 GiB.
    """
    with ExitStack() as open_files:
        try:
            if path == STANDARD_INPUT:
                stream = open_files.enter_context(_copied(sys.stdin.buffer, str(path)))
            else:
                stream = open_files.enter_context(path.open("rb"))
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    stream = open_files.enter_context(_copied(stream, str(path)))
        except OSError as exc:
            raise refuse(str(path), f"cannot be read ({exc.strerror or exc})") from exc
        yield stream


def _copied(stream: IO[bytes], source: str) -> IO[bytes]:
    copied = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    while block := stream.read(2**20):
        copied.write(block)
        if copied.tell() > MOST_BYTES:
            raise refuse(source, f"gives more than {MOST_BYTES // 2**30} GiB; save it as a file and import that")
    copied.seek(0)
    return copied
