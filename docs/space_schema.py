"""Write the JSON schema of space files: `python docs/space_schema.py`.

With `--check` nothing is written; exit status 1 where docs/space.schema.json is out of date.
"""

import json
import sys
from pathlib import Path

from sweep_platform.space.json_schema import space_schema

SCHEMA = Path(__file__).resolve().parent / "space.schema.json"


def main(words: list[str]) -> int:
    """Write the schema, or with `--check` compare it; returns the exit status."""
    text = json.dumps(space_schema(), indent=1, ensure_ascii=False) + "\n"
    if words == ["--check"]:
        return 0 if SCHEMA.exists() and SCHEMA.read_text(encoding="utf-8") == text else 1
    SCHEMA.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
