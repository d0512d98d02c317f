"""The report of a sweep: what was searched, what was found, how far to trust it, what it cost.

It is written from the sweep's folder alone, so at any time: before the first trial ended, while
trials run, after an interruption.
"""

from sweep_platform.report.writing import write_comparison, write_report

__all__ = ["write_comparison", "write_report"]
