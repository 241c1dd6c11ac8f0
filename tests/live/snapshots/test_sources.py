"""The name of the code that snapshots are made by."""

from __future__ import annotations

from pathlib import Path

import pytest

from candleray.live.snapshots import sources


def test_another_source_or_library_is_another_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def name() -> str:
        sources.code_name.cache_clear()
        return sources.code_name()

    real = name()
    assert name() == real
    monkeypatch.setattr(sources, "version", lambda library: "0")
    assert name() != real
    monkeypatch.setattr(sources, "_ROOT", tmp_path)
    none = name()
    for room in sources._ROOMS:
        (tmp_path / room / "deep").mkdir(parents=True)
        (tmp_path / room / "deep" / "one.py").write_text("1")
        assert name() != none, room
        none = name()
    monkeypatch.undo()
    assert name() == real
