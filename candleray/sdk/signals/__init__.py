"""Signals as Python expressions: `(ema(10, 50, 5) > ema(100)).crosses() & (adx(14) < 20)`.

Each writes the JSON of a condition. Nothing is computed here and no code is sent: an API gets the JSON.
"""

from candleray.sdk.signals.indicator_calls import *  # noqa: F403
from candleray.sdk.signals.terms import Axis as Axis
from candleray.sdk.signals.terms import Condition as Condition
from candleray.sdk.signals.terms import Constraint as Constraint
from candleray.sdk.signals.terms import Operand as Operand
from candleray.sdk.signals.vocabulary import hour as hour
from candleray.sdk.signals.vocabulary import maximum as maximum
from candleray.sdk.signals.vocabulary import minimum as minimum
from candleray.sdk.signals.vocabulary import price as price
from candleray.sdk.signals.vocabulary import rule as rule
from candleray.sdk.signals.vocabulary import steps as steps
from candleray.sdk.signals.vocabulary import values as values
from candleray.sdk.signals.vocabulary import weekday as weekday
from candleray.sdk.signals.written_signals import signals as signals
