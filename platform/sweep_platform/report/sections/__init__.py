"""Sections of the report, one file each; `report/outline.py` has their order."""
