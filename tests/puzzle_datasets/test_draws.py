import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.loading.batch import below, counter_draws, counter_key, permutations, philox

LARGEST = 2**32 - 1
WORDS = st.integers(0, LARGEST)
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


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([LARGEST] * 4, [LARGEST] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_numbers(
    counter: list[int], key: list[int], expected: list[int]
) -> None:
    words = philox(np.array(counter, np.uint64), np.array(key, np.uint64))
    assert words.tolist() == expected


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=9), st.integers(1, 13))
def test_counter_draws_depend_on_key_and_counters_alone(
    counters: list[tuple[int, int]], count: int
) -> None:
    key = counter_key("test", 3)
    first, second = torch.tensor(counters).unbind(1)
    together = counter_draws(key, (first, second), count)
    assert together.shape == (len(counters), count)
    for draws, (one, other) in zip(together.tolist(), counters, strict=True):
        blocks = [philox(np.array([one, other, b, 0], np.uint64), key) for b in range(4)]
        assert draws == np.concatenate(blocks)[:count].tolist()


def test_counters_keys_and_places_each_change_a_draw() -> None:
    grid = torch.cartesian_prod(torch.arange(50), torch.arange(50))
    keys = [counter_key("test", 0), counter_key("test", 1), counter_key("other", 0)]
    draws = torch.cat([counter_draws(key, (grid[:, 0], grid[:, 1]), 6) for key in keys])
    assert len(draws.unique()) > 0.9999 * draws.numel()


def test_counter_draws_are_uniform() -> None:
    first = torch.arange(20_000)
    draws = counter_draws(counter_key("test"), (first, first // 7), 5)
    counts = below(draws, 100).flatten().bincount(minlength=100)
    assert len(counts) == 100
    assert (counts - 1000).abs().max() < 5 * 1000**0.5


@given(WORDS, st.integers(1, 2**31 - 1))
def test_below_scales_exactly(draw: int, bound: int) -> None:
    assert below(torch.tensor(draw), bound).item() == draw * bound // 2**32


@given(st.integers(1, 9), st.data())
def test_permutations_hold_every_place_once(size: int, data: st.DataObject) -> None:
    draws = data.draw(st.lists(WORDS, min_size=size, max_size=size))
    assert sorted(permutations(torch.tensor([draws]))[0].tolist()) == list(range(size))


def test_equal_draws_permute_nothing() -> None:
    assert permutations(torch.zeros(2, 9, dtype=torch.int64)).tolist() == [[*range(9)]] * 2


def test_permutations_are_uniform() -> None:
    first = torch.arange(24_000)
    orders = permutations(counter_draws(counter_key("test"), (first, first), 4))
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert (counts - 1000).abs().max() < 5 * 1000**0.5
