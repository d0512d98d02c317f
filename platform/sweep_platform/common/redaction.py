"""Addresses as they may be shown and written down: without the secrets they carry."""

import re

HIDDEN = "***"
_USER = re.compile(r"://[^\s]*@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:passw|pwd|token|secret|key)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def shown(text: str) -> str:
    """The text with all before the @ of an address, and passwords behind it, hidden."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"://{HIDDEN}@", text))
