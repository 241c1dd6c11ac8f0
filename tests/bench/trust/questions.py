"""The questions of the calibration, a table each, with the bounds that the verdict was defined with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from candleray.backtests.verdict import Saying
from tests.bench.trust.bounds import Number, Table, at_least, at_most, near, number, percent
from tests.bench.trust.families import FAMILIES, NOTED
from tests.bench.trust.trials import Runner, Setting, Trials
from tests.bench.trust.users import user_of

FEES = (0.0, 0.02, 0.1)
FIRST = NOTED[0].name
FALSE_ALARMS, NOISE_UNDER_COSTS = 0.05, 0.85
PLANTED_SHARPE = 4.0
SHORTLIST = 100
MOST_PBO_WALKS = 1000

Question: TypeAlias = Callable[[Runner, int, Sequence[str]], Table]


def pbo_of_luck(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer how PBO reads where nothing but luck is there: a half in the mean, however it scatters."""
    header = (
        "family",
        "walks",
        "mean PBO (0.5 ± 0.03 of the first, 0.06 of others)",
        "5 to 95 % of walks",
        "loses",
    )
    table = Table("PBO of luck without costs", header)
    for name in families:
        count = walks * MOST_PBO_WALKS // 300 if name == FIRST else walks
        trials = runner.trials(Setting(name, 0.0), count)
        table.rows.append(_pbo_row(name, trials))
    return table


def _pbo_row(name: str, trials: Trials) -> list[str | Number]:
    within = 0.03 if name == FIRST else 0.06
    low, high = trials.quantiles("pbo")
    mean = near(trials.mean("pbo"), trials.error("pbo"), 0.5, within)
    return [name, f"{len(trials.trials):,}", mean, f"{low:.2f} to {high:.2f}", number(trials.mean("losing"))]


def false_alarms(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer how often luck is taken for skill, and how often it is called what it is."""
    header = (
        *("family", "fee"),
        *(f"likely an edge (≤ {percent(FALSE_ALARMS)})", f"DSR of all > 0.95 (≤ {percent(FALSE_ALARMS)})"),
        *(f"DSR > 0.95 (≤ {percent(FALSE_ALARMS)})", f"likely noise (under costs ≥ {percent(NOISE_UNDER_COSTS)})"),
        *("luck p ≤ 0.05", "independent"),
    )
    table = Table(f"False alarms, {walks:,} walks each", header)
    for name in families:
        table.rows.extend(_alarm_row(runner.trials(Setting(name, fee), walks)) for fee in FEES)
    return table


def _alarm_row(trials: Trials) -> list[str | Number]:
    fee = trials.setting.fee_pct
    unlikely = sum((one.luck_p or 1.0) <= 0.05 for one in trials.trials) / len(trials.trials)
    return [
        trials.setting.family,
        f"{fee:g} %",
        at_most(trials.says(Saying.EDGE), FALSE_ALARMS),
        at_most(trials.share("sure_of_all"), FALSE_ALARMS),
        at_most(trials.share("sure"), FALSE_ALARMS),
        at_least(trials.says(Saying.NOISE), NOISE_UNDER_COSTS if fee else 0.0),
        percent(unlikely),
        number(trials.mean("independent"), 0),
    ]


def power(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer how often a planted edge is found, and what becomes of one that the fee eats."""
    header = (
        "planted Sharpe",
        "fee",
        "likely an edge",
        "likely noise",
        "bound",
        "mean best Sharpe",
        "PBO",
        "loses",
    )
    table = Table(f"Planted edges, {FIRST}, {walks:,} walks each", header)
    for sharpe, fee in ((PLANTED_SHARPE, 0.0), (PLANTED_SHARPE, 0.1), (3.0, 0.0), (6.0, 0.0)):
        table.rows.append(_power_row(runner.trials(Setting(FIRST, fee, sharpe), walks)))
    return table


def _power_row(trials: Trials) -> list[str | Number]:
    _, fee, sharpe, *_ = trials.setting
    edge, noise = trials.says(Saying.EDGE), trials.says(Saying.NOISE)
    found: list[str | Number] = [percent(edge), percent(noise), ""]
    if fee:
        found = [percent(edge), at_least(noise, NOISE_UNDER_COSTS), f"noise ≥ {percent(NOISE_UNDER_COSTS)}"]
    elif sharpe == PLANTED_SHARPE:
        found = [at_least(edge, 0.60), at_most(noise, 0.15), "an edge ≥ 60 %, noise ≤ 15 %"]
    means = [number(trials.mean(name)) for name in ("best_sharpe", "pbo", "losing")]
    return [f"{sharpe:g}", f"{fee:g} %", *found, *means]


def misleading_pbo(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer what is said of luck that PBO calls stable."""
    trials = runner.trials(Setting(FIRST, FEES[-1]), walks)
    stable = sum(one.pbo is not None and one.pbo < 0.01 for one in trials.trials) / walks
    header = ("family", "fee", "walks with PBO < 0.01 (≥ 95 %)", "likely noise (≥ 95 %)")
    row = [FIRST, f"{FEES[-1]:g} %", at_least(stable, 0.95), at_least(trials.says(Saying.NOISE), 0.95)]
    return Table("Luck that PBO calls stable", header, [row])


def shortlists(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer whether a shortlist is judged by itself: its variants were chosen on all bars."""
    whole = runner.trials(Setting(STOPPED, 0.0), walks)
    cut = runner.trials(Setting(STOPPED, 0.0, preselect=5), walks)
    header = (
        "base variants kept",
        "variants of answers with a verdict of their own",
        "verdicts about what was cut",
    )
    rows: list[Sequence[str | Number]] = [
        ["all", f"{sum(one.judged for one in whole.trials):,}", ""],
        [
            "the best tenth",
            Number(f"{sum(one.judged for one in cut.trials)} (0)", not any(one.judged for one in cut.trials)),
            at_most(cut.share("about_all"), 0.0),
        ],
    ]
    return Table("Shortlists of luck", header, rows)


def ten_searches(runner: Runner, walks: int, families: Sequence[str]) -> Table:
    """Answer what ten searches of one user over the same luck find, alone and with the earlier ones counted."""
    header = (
        "fee",
        "users",
        "the first says likely an edge",
        "the tenth, alone",
        f"the tenth, counting nine (≤ {percent(FALSE_ALARMS)})",
        "any of ten, alone",
        "any of ten, counting",
    )
    table = Table("Ten searches of one user over luck", header)
    for fee in FEES[:2]:
        users = runner.each(partial(user_of, fee), walks)
        shares = [
            [one.alone[0] is Saying.EDGE for one in users],
            [one.alone[-1] is Saying.EDGE for one in users],
            [one.counted[-1] is Saying.EDGE for one in users],
            [Saying.EDGE in one.alone for one in users],
            [Saying.EDGE in one.counted for one in users],
        ]
        first, last, last_counted, alone, counting = (sum(one) / len(users) for one in shares)
        table.rows.append(
            [
                f"{fee:g} %",
                f"{len(users):,}",
                percent(first),
                percent(last),
                at_most(last_counted, FALSE_ALARMS),
                percent(alone),
                percent(counting),
            ]
        )
    return table


STOPPED = "small take-profits"

QUESTIONS: Mapping[str, Question] = {
    "pbo": pbo_of_luck,
    "alarms": false_alarms,
    "power": power,
    "misleading": misleading_pbo,
    "shortlist": shortlists,
    "users": ten_searches,
}
assert STOPPED in FAMILIES
