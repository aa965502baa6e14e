"""The value codec: exact both ways, deterministic, and no byte string that an attacker writes gets past it."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sandbox import codec

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(
        alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010)
    )  # lone surrogates among them
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4).map(OrderedDict)
        | st.lists(inner, max_size=4).map(deque)
    ),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Equal, with the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple | deque):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(same, left.items(), right.items()))
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and (left == right or left != left)
    return bool(left == right)


@given(values)
@settings(max_examples=100, deadline=None)
def test_round_trip(value: Any) -> None:
    text = codec.dumps(value)
    assert text.isascii()
    assert same(codec.loads(text), value)
    assert codec.dumps(codec.loads(text)) == text


@pytest.mark.parametrize("bits", [4095, 4096, 5000, 100_000])
def test_ints_too_long_to_print(bits: int) -> None:
    for value in (1 << bits, -(1 << bits), (1 << bits) - 1):
        assert codec.loads(codec.dumps(value)) == value


@given(st.integers(min_value=-(10**2000), max_value=10**2000))
@settings(max_examples=25, deadline=None)
def test_big_ints(value: int) -> None:
    assert codec.loads(codec.dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        float("inf"),
        float("-inf"),
        5e-324,
        1.7976931348623157e308,
        range(3, 100, 7),
        bytearray(b"\x00\xff"),
        Counter("abca"),
        defaultdict(None, {1: [2]}),
        Decimal("1.10"),
        Fraction(-3, 7),
        datetime(2024, 2, 29, 12, 30, 1, 5),
        date(1, 1, 1),
        time(23, 59),
        timedelta(days=-1, microseconds=3),
        {"tuple": [1]},
        [{"dict": []}],
        "\x00\ud800",
        [int, str, dict, object],
        (),
        set(),
        frozenset({frozenset()}),
        {(): {}},
    ],
)
def test_special_values(value: Any) -> None:
    decoded = codec.loads(codec.dumps(value))
    assert decoded == value
    assert type(decoded) is type(value)


def test_nan_and_negative_zero() -> None:
    assert math.isnan(codec.loads(codec.dumps(float("nan"))))
    assert math.copysign(1, codec.loads(codec.dumps(-0.0))) == -1


@given(st.sets(st.text(max_size=3)))
@settings(max_examples=25, deadline=None)
def test_equal_sets_have_equal_texts(value: set[str]) -> None:
    assert codec.dumps(value) == codec.dumps(dict.fromkeys(sorted(value, reverse=True)).keys())


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__

    def __index__(self) -> int:
        return 99


class Colour(IntEnum):
    RED = 3


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "value, crosses_as",
    [(Liar(5), 5), (Colour.RED, 3), (Pair(1, [2]), (1, [2])), ({1: 2}.keys(), {1}), ({1: 2}.values(), [2])],
)
def test_subclasses_cross_as_what_they_hold(value: Any, crosses_as: Any) -> None:
    decoded = codec.loads(codec.dumps(value))
    assert type(decoded) is type(crosses_as)
    assert decoded == crosses_as


@pytest.mark.parametrize(
    "value",
    [object(), print, type, ValueError, Ellipsis, [object()], {1: print}, repeat(0), iter([object()])],
)
def test_what_is_not_data_is_refused(value: Any) -> None:
    with pytest.raises(codec.Unsendable):
        codec.dumps(value)


def test_too_deep_and_cyclic_values_are_refused() -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for value in (cyclic, json.loads("[" * 500 + "]" * 500)):
        with pytest.raises(codec.Unsendable):
            codec.dumps(value)


# ---- malformed


def survives(text: bytes) -> None:
    """Either a value that can be encoded again, or Malformed; nothing else."""
    try:
        value = codec.loads(text)
    except codec.Malformed:
        return
    codec.dumps(value)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_random_bytes(data: bytes) -> None:
    survives(data)


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*codec._DECODERS, "other"]) | st.text(max_size=3), inner, max_size=2
        )
    ),
    max_leaves=12,
)


@given(json_trees)
@settings(max_examples=120, deadline=None)
def test_random_trees(tree: Any) -> None:
    survives(json.dumps(tree).encode())


@given(values, st.data())
@settings(max_examples=120, deadline=None)
def test_damaged_encodings(value: Any, data: st.DataObject) -> None:
    text = bytearray(codec.dumps(value).encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255))
    survives(bytes(text))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b"Infinity",
        b"[1,]",
        b"{}",
        b'{"tuple":[],"set":[]}',
        b'{"set":[[]]}',
        b'{"dict":[[1]]}',
        b'{"dict":[[[],1]]}',
        b'{"dict":{"a":1}}',
        b'{"int":"0b1"}',
        b'{"int":"0x_1"}',
        b'{"int":5}',
        b'{"float":"1.0"}',
        b'{"bytes":"?"}',
        b'{"complex":[1.0]}',
        b'{"complex":["1","2"]}',
        b'{"range":[0,1,0]}',
        b'{"range":[0.5,1,2]}',
        b'{"Fraction":[1,0]}',
        b'{"type":"property"}',
        b'{"Decimal":"x"}',
        b'{"Counter":[[1]]}',
        b'{"datetime":"yesterday"}',
        b'{"timedelta":[1e308,0,0]}',
        b'{"timedelta":[99999999999999,0,0]}',
        b'{"object":"os.system"}',
        b"9" * 5000,
        b"[" * 100_000,
        b'{"tuple":[' * 50_000,
        b"\x80\x04\x95\x10",
        b"\xff\xfe",
        b"[1] ",
        b" [1]",
        b"[1][2]",
    ],
)
def test_malformed(text: bytes) -> None:
    with pytest.raises(codec.Malformed):
        codec.loads(text)
