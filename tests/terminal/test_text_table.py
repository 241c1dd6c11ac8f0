"""Plain columns: every cell whole, at any width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from candleray.text_table import aligned, duration_text

CELL = st.text("ab._,0", max_size=12)


@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[CELL] * n), min_size=1, max_size=5)),
    st.integers(1, 99),
)
def test_no_cell_is_cut_or_broken_however_narrow(rows, width):
    columns = [f"name.of_column {number}" for number in range(len(rows[0]))]
    lines = aligned(columns, rows, width=width)
    each = len(lines.body) // len(rows)
    for at, row in enumerate(rows):
        assert " ".join(lines.body[at * each : (at + 1) * each]).split() == [cell for cell in row if cell]
    assert "".join("".join(lines.header).split()).count("column") == len(columns)


def test_names_break_and_columns_move_together_where_it_is_narrow():
    columns, rows = ("id", "rsi.long_threshold", "Total Return [%]"), [("close", "30", "71.73")]
    assert aligned(columns, rows, text=("id",), width=80) == (
        ["id     rsi.long_threshold  Total Return [%]"],
        ["close                  30             71.73"],
    )
    assert aligned(columns, rows, text=("id",), width=23) == (
        ["           rsi.  Total", "          long_ Return", "id    threshold    [%]"],
        ["close        30  71.73"],
    )


def test_rows_go_over_several_lines_where_it_is_narrower_still():
    columns = ("run", "instrument", "state", "return %", "last said")
    rows = [
        ("5c1", "binance:spot:BTCUSDT", "running", "+1.25", "exit long"),
        ("77a", "bybit", "stopped", "–", "–"),
    ]
    assert aligned(columns, rows, text=("run", "instrument", "state", "last said"), width=40) == (
        ["run  instrument            state", "  return %  last said"],
        [
            *("5c1  binance:spot:BTCUSDT  running", "     +1.25  exit long"),
            *("77a  bybit                 stopped", "         –  –"),
        ],
    )


def test_a_duration_has_two_digits_in_the_unit_that_fits():
    told = {0.612: "0.61 s", 12.4: "12 s", 125: "2.1 min", 18_000: "5 h", 2_588_932.031: "30 days", -3: "-3 s"}
    assert {seconds: duration_text(seconds) for seconds in told} == told
