"""Standard streams that can write whatever a table holds, in the encoding that the terminal or the pipe has."""

from __future__ import annotations

import codecs
import io
import sys

_ERRORS = "candleray-escapes"


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Write characters as `\uXXXX`, in pairs above that, as JSON spells them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


def make_streams_readable() -> None:
    """Never fail on a character: `PYTHONIOENCODING=ascii`, an old locale, a file's name that is no text."""
    codecs.register_error(_ERRORS, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)
