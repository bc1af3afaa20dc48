"""Reads the numbers of a JSON batch in half of a JSON parser's time."""

import re
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.drawings.shape import PIXELS, SIDE
from app.schemas.classify import MAX_BATCH

_KEY: Final = b'"images"'
_START: Final = b"{" + _KEY + b":[[["
_END: Final = b"]]]}"
_BETWEEN_DRAWINGS: Final = b"]],[["
_BETWEEN_PIXELS: Final = b"],[".join([b"," * (SIDE - 1)] * SIDE)
_SPACE: Final = b" \t\n\r"
_BROKEN_NUMBER: Final = re.compile(rb"[0-9][ \t\n\r]+[0-9]")
# Their text fits into the processor's cache.
_READ_BATCH_SIZE: Final = 32

_Places = npt.NDArray[np.int32]


class _Separators(NamedTuple):
    text: bytes
    numbers: npt.NDArray[np.bool_]
    """Whether a number stands before each separator, and before the end."""


@cache
def _separators(count: int) -> _Separators:
    text = _BETWEEN_DRAWINGS.join([_BETWEEN_PIXELS] * count)
    before, after = (np.frombuffer(one, np.uint8) for one in (b"[" + text, text + b"]"))
    return _Separators(text, np.isin(before, list(b"[,")) & np.isin(after, list(b"],")))


def read_batch(body: bytes) -> list[bytes] | None:
    """Return 784 bytes for each drawing, or None if the body is not certainly valid."""
    dense = _without_space(body)
    if dense is None or not (dense.startswith(_START) and dense.endswith(_END)):
        return None
    texts = dense[len(_START) : -len(_END)].split(_BETWEEN_DRAWINGS, MAX_BATCH)
    if len(texts) > MAX_BATCH:
        return None
    drawings: list[bytes] = []
    for first in range(0, len(texts), _READ_BATCH_SIZE):
        group = texts[first : first + _READ_BATCH_SIZE]
        pixels = _read(_BETWEEN_DRAWINGS.join(group), len(group))
        if pixels is None:
            return None
        drawings += [pixels[start : start + PIXELS] for start in range(0, len(pixels), PIXELS)]
    return drawings


def _without_space(body: bytes) -> bytes | None:
    """Return the body without JSON's white space, unless some is in a number or the key."""
    dense = body.translate(None, _SPACE)
    if len(dense) == len(body):
        return body
    characters = np.frombuffer(body, np.uint8)
    after_digit = (characters[:-1] - np.uint8(ord("0")) <= 9) & (characters[1:] <= ord(" "))
    if _KEY not in body or (after_digit.any() and _BROKEN_NUMBER.search(body)):
        return None
    return dense


def _read(text: bytes, count: int) -> bytes | None:
    characters = np.frombuffer(text, np.uint8)
    digits = characters - np.uint8(ord("0"))
    separators = np.flatnonzero(digits > 9).astype(np.int32)
    expected = _separators(count)
    if characters[separators].tobytes() != expected.text:
        return None
    starts, ends = np.append(np.int32(0), separators + 1), np.append(separators, np.int32(len(text)))
    lengths = ends - starts
    if lengths[~expected.numbers].any():
        return None
    return _numbers(digits, ends[expected.numbers] - 1, lengths[expected.numbers])


def _numbers(digits: npt.NDArray[np.uint8], last: _Places, lengths: _Places) -> bytes | None:
    """Return the numbers as bytes, unless one exceeds 255, begins with 0 or is missing; `last` is each last digit."""
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    numbers = digits[last].astype(np.uint16)
    long = np.flatnonzero(lengths > 1)
    tens = digits[last[long] - 1]
    numbers[long] += np.uint16(10) * tens
    has_hundreds = lengths[long] > 2
    longest = long[has_hundreds]
    hundreds = digits[last[longest] - 2]
    numbers[longest] += np.uint16(100) * hundreds
    if numbers.max() > 255 or not hundreds.all() or not tens[~has_hundreds].all():
        return None
    return numbers.astype(np.uint8).tobytes()
