"""Values as JSON that no reader can be made to execute: exact builtins in, the same exact builtins out.

What JSON has (None, bool, int, finite float, str, list) is itself; everything else is an object with one key that names
the type: `(1, 2)` is `{"tuple": [1, 2]}`, `{"a": 1}` is `{"dict": [["a", 1]]}`. A dict is never a JSON object of
its own, so no value can pose as another. Instances of subclasses are written as the builtin they extend: what they
hold crosses, the methods they override do not. An iterator is run to its end and crosses as one over a list.

`loads` is given bytes that an attacker wrote: it returns a value or raises Malformed, nothing else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any

NESTING = 200  # deepest value that crosses
LONGEST_ITERATOR = 100_000  # items
_INT_BITS = 4096  # larger ints are written in hex: decimal conversion is quadratic and limited by Python
_HEX = re.compile(r"-?0x[0-9a-f]+\Z")
_AS_IS = frozenset({type(None), bool})
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        list,
        tuple,
        set,
        frozenset,
        dict,
        range,
        object,
    )
}
_SPECIAL_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


class Unsendable(TypeError):
    """The value is not data: it, or something in it, has no encoding."""


class Malformed(ValueError):
    """The text is not the encoding of any value."""


def dumps(value: Any) -> str:
    """`value` as ASCII JSON; equal text for equal values built in the same order. Raises Unsendable."""
    return to_text(encode(value))


def to_text(tree: Any) -> str:
    """`tree` as ASCII JSON."""
    return "".join(_json_parts(tree, 0))


def loads(text: str | bytes) -> Any:
    """The value whose encoding `text` is. Raises Malformed."""
    return decode(parse(text))


def parse(text: str | bytes) -> Any:
    """The JSON tree in `text`, not yet a value. Raises Malformed."""
    try:
        text = text.decode() if isinstance(text, bytes) else text
        tree, end = _decode_json(text)
    except Malformed:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise Malformed(f"not JSON: {type(error).__name__}") from None
    if end != len(text):
        raise Malformed("something follows the JSON")
    return tree


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


# What `json.dumps` and `json.loads` end in, without what they make and throw away around it for every message: a program's
# process pays for each memory page that these objects lie on.
_json_parts = c_make_encoder(None, None, encode_basestring_ascii, None, ":", ",", False, False, False)
_decode_json = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


# ---- encoding


def encode(value: Any, depth: int = 0) -> Any:
    """`value` as a tree that JSON can hold. Raises Unsendable."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _unicode(value)
    if kind in _AS_IS:
        return value
    if kind is int:
        return value if value.bit_length() < _INT_BITS else {"int": hex(value)}
    if kind is float:
        return value if value - value == 0 else {"float": float.__repr__(value)}
    if depth >= NESTING:
        raise Unsendable("value is nested too deeply")
    if kind is list:
        return _items(value, depth)
    if kind is tuple:
        return {"tuple": _items(value, depth)}
    if kind is dict:
        return {"dict": _pairs(value, depth)}
    encoder = _ENCODERS.get(kind)
    return encoder(value, depth) if encoder else _encode_as_base(value, kind, depth)


def _unicode(value: str) -> Any:
    """As it is, but for lone surrogates: two of them in a row would come back from JSON as one character."""
    try:
        value.encode()
        return value
    except UnicodeEncodeError:
        return {"str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def _items(values: Iterable[Any], depth: int) -> list[Any]:
    return [encode(value, depth + 1) for value in values]


def _pairs(value: dict[Any, Any], depth: int) -> list[Any]:
    return [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in dict.items(value)]


def _sorted_items(values: Iterable[Any], depth: int) -> list[Any]:
    """Sets have no order of their own: by encoded text, so that equal sets have equal texts."""
    return sorted(_items(values, depth), key=to_text)


_ENCODERS: dict[type, Callable[[Any, int], Any]] = {
    complex: lambda value, depth: {"complex": [encode(value.real), encode(value.imag)]},
    bytes: lambda value, depth: {"bytes": base64.b64encode(value).decode()},
    bytearray: lambda value, depth: {"bytearray": base64.b64encode(value).decode()},
    set: lambda value, depth: {"set": _sorted_items(value, depth)},
    frozenset: lambda value, depth: {"frozenset": _sorted_items(value, depth)},
    range: lambda value, depth: {"range": [encode(value.start), encode(value.stop), encode(value.step)]},
    deque: lambda value, depth: {"deque": _items(value, depth)},
    Counter: lambda value, depth: {"Counter": _pairs(value, depth)},
    OrderedDict: lambda value, depth: {
        "OrderedDict": [[encode(key, depth + 1), encode(value[key], depth + 1)] for key in value]
    },
    defaultdict: lambda value, depth: {"defaultdict": _pairs(value, depth)},
    Decimal: lambda value, depth: {"Decimal": str(value)},
    Fraction: lambda value, depth: {"Fraction": [encode(value.numerator), encode(value.denominator)]},
    datetime: lambda value, depth: {"datetime": _naive(value).isoformat()},
    date: lambda value, depth: {"date": value.isoformat()},
    time: lambda value, depth: {"time": _naive(value).isoformat()},
    timedelta: lambda value, depth: {"timedelta": [value.days, value.seconds, value.microseconds]},
    type: lambda value, depth: _type(value),
    type({}.keys()): lambda value, depth: {"set": _sorted_items(value, depth)},
    type({}.items()): lambda value, depth: {"set": _sorted_items(value, depth)},
    type({}.values()): lambda value, depth: _items(value, depth),
}


def _type(value: type) -> Any:
    """The builtin types themselves may be arguments: `remove(values, int)`."""
    for name, kind in _TYPES.items():
        if value is kind:
            return {"type": name}
    raise Unsendable(f"the type {value.__name__!r} is not data")


def _naive(value: Any) -> Any:
    if value.tzinfo is not None:
        raise Unsendable(f"a {type(value).__name__} with a time zone is not data")
    return value


_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, lambda value: int.__add__(value, 0)),
    (float, lambda value: float.__add__(value, 0.0)),
    (str, lambda value: str.__str__(value)),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (tuple, lambda value: list(tuple.__iter__(value))),
    (list, lambda value: list(list.__iter__(value))),
    (Counter, dict),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: set(frozenset.__iter__(value))),
)


def _encode_as_base(value: Any, kind: type, depth: int) -> Any:
    for base, plain in _BASES:
        if issubclass(kind, base):
            tree = encode(plain(value), depth)
            return {"tuple": tree} if base is tuple else tree
    if isinstance(value, Iterator):
        return {"iterator": _items(_to_the_end(value), depth)}
    raise Unsendable(f"a value of type {kind.__name__!r} is not data")


def _to_the_end(iterator: Iterator[Any]) -> list[Any]:
    items = list(islice(iterator, LONGEST_ITERATOR + 1))
    if len(items) > LONGEST_ITERATOR:
        raise Unsendable(f"an iterator of more than {LONGEST_ITERATOR} items is not data")
    return items


# ---- decoding


def decode(tree: Any) -> Any:
    """The value that `tree` encodes. Raises Malformed."""
    try:
        return _decode(tree, 0)
    except Malformed:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise Malformed(f"{type(error).__name__} in a value") from None


def _decode(tree: Any, depth: int) -> Any:
    kind = type(tree)
    if kind is list:
        return _values(tree, depth)
    if kind is not dict:
        return tree
    if depth > NESTING:
        raise Malformed("value is nested too deeply")
    if len(tree) != 1:
        raise Malformed("an object must have one key, its type")
    ((name, body),) = tree.items()
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise Malformed(f"unknown type {name[:40]!r}")
    return decoder(body, depth)


def _values(body: Any, depth: int) -> list[Any]:
    if type(body) is not list or depth > NESTING:
        raise Malformed("expected a list, not nested too deeply")
    return [_decode(item, depth + 1) if type(item) is list or type(item) is dict else item for item in body]


def _dict(body: Any, depth: int) -> dict[Any, Any]:
    pairs = _values(body, depth)
    if any(type(pair) is not list or len(pair) != 2 for pair in pairs):
        raise Malformed("a dict is a list of pairs")
    return dict(pairs)


def _exactly(count: int, kinds: tuple[type, ...], body: Any, depth: int) -> list[Any]:
    values = _values(body, depth)
    if len(values) != count or any(type(value) not in kinds for value in values):
        raise Malformed("wrong number or type of parts")
    return values


def _text(body: Any) -> str:
    if type(body) is not str:
        raise Malformed("expected a string")
    return body


def _int(body: Any, depth: int) -> int:
    if not _HEX.match(_text(body)):
        raise Malformed("not a hexadecimal int")
    return int(body, 16)


def _float(body: Any, depth: int) -> float:
    if _text(body) not in _SPECIAL_FLOATS:
        raise Malformed("not nan or inf")
    return _SPECIAL_FLOATS[body]


def _bytes(body: Any, depth: int) -> bytes:
    try:
        return base64.b64decode(_text(body), validate=True)
    except binascii.Error:
        raise Malformed("not base64") from None


def _builtin(body: Any, depth: int) -> type:
    if _text(body) not in _TYPES:
        raise Malformed("not a builtin type")
    return _TYPES[body]


def _str(body: Any, depth: int) -> str:
    return _bytes(body, depth).decode("utf-8", "surrogatepass")


def _complex(body: Any, depth: int) -> complex:
    return complex(*_exactly(2, (float,), body, depth))


def _fraction(body: Any, depth: int) -> Fraction:
    return Fraction(*_exactly(2, (int,), body, depth))


_DECODERS: dict[str, Callable[[Any, int], Any]] = {
    "tuple": lambda body, depth: tuple(_values(body, depth)),
    "dict": _dict,
    "int": _int,
    "str": _str,
    "type": _builtin,
    "float": _float,
    "complex": _complex,
    "bytes": _bytes,
    "bytearray": lambda body, depth: bytearray(_bytes(body, depth)),
    "set": lambda body, depth: set(_values(body, depth)),
    "frozenset": lambda body, depth: frozenset(_values(body, depth)),
    "range": lambda body, depth: range(*_exactly(3, (int,), body, depth)),
    "iterator": lambda body, depth: iter(_values(body, depth)),
    "deque": lambda body, depth: deque(_values(body, depth)),
    "Counter": lambda body, depth: Counter(_dict(body, depth)),
    "OrderedDict": lambda body, depth: OrderedDict(_dict(body, depth)),
    "defaultdict": lambda body, depth: defaultdict(None, _dict(body, depth)),
    "Decimal": lambda body, depth: Decimal(_text(body)),
    "Fraction": _fraction,
    "datetime": lambda body, depth: datetime.fromisoformat(_text(body)),
    "date": lambda body, depth: date.fromisoformat(_text(body)),
    "time": lambda body, depth: time.fromisoformat(_text(body)),
    "timedelta": lambda body, depth: timedelta(*_exactly(3, (int,), body, depth)),
}
