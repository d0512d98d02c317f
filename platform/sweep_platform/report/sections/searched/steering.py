"""How a sweep was steered: what people told it while it ran, and what became of it."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.report import blocks, tables, wording
from sweep_platform.store.steering.messages import Exchange
from sweep_platform.store.summary import SweepSummary

MOST_OPEN = 10
"""Messages that stand open on the page; more are folded."""

_COLUMNS: tuple[tables.Column[Exchange], ...] = (
    tables.number("Message", lambda one: one.message.number),
    tables.Column(
        "Sent",
        lambda one: wording.moment(one.message.sent),
        words=True,
        data={"sent": lambda one: float(one.message.sent)},
    ),
    tables.Column("By", lambda one: one.message.sender, words=True),
    tables.Column("Asked", lambda one: one.message.words, words=True),
    tables.Column("State", lambda one: one.state, words=True),
    tables.Column(
        "Answer", lambda one: one.answer.text if one.answer else wording.NOTHING, words=True
    ),
)


def steering(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """The messages to a sweep, if there were any."""
    if not sweep.messages:
        return
    done = sum(one.accepted for one in sweep.messages)
    told = counted(len(sweep.messages), "message")
    yield blocks.Paragraph(
        f"The sweep was steered by hand: {told}, of which {done} done. What a person chose is no "
        "choice of the search: trials that were stopped, promoted or added by hand are marked by "
        "their reasons and here."
    )
    folded = told if len(sweep.messages) > MOST_OPEN else None
    yield tables.table("steering", _COLUMNS, sweep.messages, folded=folded)
