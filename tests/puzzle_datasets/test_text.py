"""Numbers as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.text import byte_size, flops, percent, redact, seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 FLOP"),
        (7, "7 FLOP"),
        (999, "999 FLOP"),
        (999.6, "1 kFLOP"),
        (1.2e9, "1.2 GFLOP"),
        (999_600_000, "1 GFLOP"),
        (123_456_789_000_000, "123 TFLOP"),
        (3e23, "300 ZFLOP"),
        (2**90, "1.24e+03 YFLOP"),
        (10**400, "over 1e+100 FLOP"),
    ],
)
def test_flops(count: float, text: str) -> None:
    assert flops(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1_500_000_000, "1.5 GB"), (85_899_345_920, "85.9 GB")]
)
def test_byte_size(count: int, text: str) -> None:
    assert byte_size(count) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.125, "12.5 %"), (1, "100.0 %"), (-0.02, "-2.0 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0.0 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3_600, "1 h"),
        (3_601, "1 h"),
        (7_500, "2 h 5 min"),
        (97_200, "1 d 3 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_seconds(span: float, text: str) -> None:
    assert seconds(span) == text


@given(st.floats(min_value=1, max_value=9e26))
def test_flops_reads_back_to_three_digits(count: float) -> None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ([kMGTPEZY]?)FLOP", flops(count))
    assert match, flops(count)
    power = " kMGTPEZY".index(match[2] or " ")
    assert float(match[1]) * 1000**power == pytest.approx(count, rel=0.0051)
    assert 1 <= float(match[1]) < 1000


@given(st.floats(min_value=0, max_value=1e9))
def test_seconds_reads_back_within_its_smaller_unit(span: float) -> None:
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = re.findall(r"([\d.]+) (d|h|min|s)", seconds(span))
    assert 1 <= len(words) <= 2
    total = sum(float(count) * sizes[unit] for count, unit in words)
    smaller = {"d": 3_600, "h": 60, "min": 1, "s": 1}[words[0][1]]
    assert abs(total - span) <= smaller


@pytest.mark.parametrize(
    "text",
    ["a." * 100_000, "x://" * 50_000 + "@", "@" + "x://" * 50_000, "?key" * 50_000, "=:" * 99_999],
)
def test_secrets_are_looked_for_in_a_time_that_grows_with_the_text(text: str) -> None:
    assert redact(f"http://me:pw@host {text}").startswith("http://***@host ")
