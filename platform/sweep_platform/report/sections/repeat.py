"""The section on how to repeat the sweep, go on with it, and find its runs."""

import shlex
from collections.abc import Iterator, Sequence

from sweep_platform.common.redaction import redact
from sweep_platform.report import wording
from sweep_platform.report.blocks import Block, Command, Facts, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def repeat_section(sweep: SweepSummary) -> Iterator[Block]:
    """The commands, and what the sweep ran on."""
    record = sweep.record
    environment = dict(record.environment)
    space = ["", "--space", record.space_file]
    yield Heading("Repeat it")
    yield Paragraph("This sweep was started by the line below; add --out to repeat it elsewhere.")
    yield _command(environment.pop("command", space))
    yield Paragraph("To go on with it, add --resume, and --data or --address if they were given:")
    yield _command([*space, "--out", sweep.folder, "--resume"])
    yield from _tracking(record.tracking_uri)
    yield Facts(
        (
            ("Folder", sweep.folder),
            ("Sweep", record.id),
            ("Created", wording.moment(record.created)),
            *wording.flattened(environment),
        )
    )


def _command(recorded: Sequence[str]) -> Command:
    """A command line to type: the script, and the arguments of a recorded command."""
    return Command(shlex.join(["python", "sweeps/run.py", *map(redact, recorded[1:])]))


def _tracking(uri: str | None) -> Iterator[Block]:
    if uri is None:
        yield Paragraph("Its runs are in MLflow; the address holds a password and is not kept.")
    elif uri.startswith("http"):
        yield Paragraph(f"Its runs are in MLflow at {redact(uri)}.")
    else:
        yield Paragraph("To see its runs in MLflow, from where the sweep was started:")
        yield Command(shlex.join(["mlflow", "ui", "--backend-store-uri", redact(uri)]))
