"""Run a sweep: python sweeps/run.py --space sweeps/arc.yaml"""

import sys

from sweep_platform.cli import main

if __name__ == "__main__":
    sys.exit(main())
