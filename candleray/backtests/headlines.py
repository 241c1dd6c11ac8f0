"""The short table of a backtest's answer, as plain text and as HTML."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from candleray.text_table import aligned


class Headlines(NamedTuple):
    """The best variants with the parameters that vary and the first metrics; every cell is text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def as_text(self) -> str:
        table = aligned(self.columns, self.rows)
        return "\n".join([self.title, *table.header, *table.body, self.note])

    def as_html(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align: right">{escape(cell)}</td>' for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{escape(self.title)}<br>{escape(self.note)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
