"""The report of a sweep: what was searched, what was found, how far to trust it, what it cost.

It is written from the sweep's folder alone, so at any time: before the first trial ended, while
trials run, after an interruption. Drawing libraries are imported when a report is written.
"""

from sweep_platform.report.write import write_report

__all__ = ["write_report"]
