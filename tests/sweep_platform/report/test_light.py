"""Naming the report costs nothing until one is written."""

import subprocess
import sys


def test_importing_the_report_loads_no_drawing_library() -> None:
    code = (
        "import sys; import sweep_platform.report; "
        "print({'altair', 'vl_convert', 'torch', 'ray', 'optuna', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
