"""Expressions of a space file, such as `N * T <= 32`: read, written, and computed.

Nothing in them is ever run as Python: what is not in the small grammar of `parsing` is refused.
"""
