import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.draws import keyed_generator

KEYS = st.lists(st.integers(0, 2**40) | st.text(max_size=5), max_size=3).map(tuple)


@given(KEYS)
def test_equal_keys_repeat_whatever_was_drawn_before(key: tuple[int | str, ...]) -> None:
    keyed_generator("other").random(7)
    first = keyed_generator("test", *key).random(4)
    assert np.array_equal(first, keyed_generator("test", *key).random(4))


@given(KEYS, KEYS)
def test_different_keys_differ(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    same = np.array_equal(
        keyed_generator("test", *one).random(4), keyed_generator("test", *other).random(4)
    )
    assert same == (one == other)


def test_purpose_is_part_of_the_key() -> None:
    assert keyed_generator("epoch", 1).random() != keyed_generator("recipes", 1).random()


def test_neighbouring_keys_are_uncorrelated() -> None:
    streams = np.stack([keyed_generator("epoch", 0, epoch).random(4000) for epoch in range(8)])
    correlation = np.corrcoef(streams) - np.eye(8)
    assert np.abs(correlation).max() < 0.08
