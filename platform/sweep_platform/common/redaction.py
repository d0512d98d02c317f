"""Hides the secrets that addresses carry, so that they may be printed and written down."""

import re

HIDDEN = "***"
_USER = re.compile(r"://[^\s]*@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:passw|pwd|token|secret|key)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the credentials in a text: all before the @ of an address, and passwords behind it."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"://{HIDDEN}@", text))
