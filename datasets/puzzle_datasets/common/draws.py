"""Random draws that depend on a key alone, so that a resumed or moved run repeats them."""

import hashlib

import numpy as np


def keyed_generator(purpose: str, *key: int | str) -> np.random.Generator:
    """Return the Philox generator of `(purpose, *key)`, independent of those of other keys."""
    return np.random.Generator(np.random.Philox(key=key_digest(16, purpose, *key)))


def key_digest(size: int, purpose: str, *key: int | str) -> int:
    """Return a number of `size` bytes that stands for `(purpose, *key)`."""
    digest = hashlib.blake2b(repr((purpose, *key)).encode(), digest_size=size).digest()
    return int.from_bytes(digest, "little")
