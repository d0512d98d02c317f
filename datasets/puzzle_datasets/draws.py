"""Random draws that depend on a key alone, so that a resumed or moved run repeats them."""

import hashlib

import numpy as np


def keyed_generator(purpose: str, *key: int | str) -> np.random.Generator:
    """Return the Philox generator of ``(purpose, *key)``.

    Equal keys give equal streams whatever was drawn before; different keys give independent ones.
    """
    digest = hashlib.blake2b(repr((purpose, *key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
