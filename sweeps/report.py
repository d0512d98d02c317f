"""Write a sweep's report again: python sweeps/report.py runs/arc"""

import sys

from sweep_platform.cli import report

if __name__ == "__main__":
    sys.exit(report())
