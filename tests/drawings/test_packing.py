"""Packed pixels."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.drawings.packing import pack, unpack
from app.drawings.shape import PIXELS

# On a busy machine anything takes long.
however_long = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DRAWINGS = {
    "blank": bytes(PIXELS),
    "full": b"\xff" * PIXELS,
    "first pixel": b"\x01" + bytes(PIXELS - 1),
    "last pixel": bytes(PIXELS - 1) + b"\x01",
    "every second pixel": b"\x00\xff" * (PIXELS // 2),
    "as much ink as is packed": bytes(99) + b"\x07" * 685,
    "more ink": bytes(98) + b"\x07" * 686,
    "bytes that are no text": bytes(10) + bytes(range(128, 256)) + bytes(646),
    "noise": Random(1).randbytes(PIXELS),
}


@pytest.mark.parametrize("pixels", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_unpacked_pixels_are_those_that_were_packed(pixels: bytes) -> None:
    [packed] = pack([pixels])
    assert unpack(packed) == pixels
    assert (len(packed) < PIXELS) == (pixels.count(0) > 98)
    assert len(packed) < PIXELS or packed == pixels


@however_long
@given(st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=300)), max_size=30))
def test_any_runs_are_packed_and_unpacked(runs: list[tuple[int, bytes]]) -> None:
    pixels = b"".join(bytes(zeros) + ink for zeros, ink in runs)[:PIXELS].ljust(PIXELS, b"\0")
    assert unpack(*pack([pixels])) == pixels


@however_long
@given(st.binary(max_size=PIXELS - 1))
def test_any_short_bytes_are_read_as_784(stored: bytes) -> None:
    assert len(unpack(stored)) == PIXELS


def test_packed_pixels_are_a_bit_for_each_and_those_that_are_not_zero() -> None:
    pixels = bytes([0, 9, 0, 0, 0, 0, 0, 8, 255]) + bytes(PIXELS - 9)
    assert pack([pixels]) == [bytes([0b01000001, 0b10000000]) + bytes(96) + bytes([9, 8, 255])]


@pytest.mark.parametrize("size", [0, 783, 785])
def test_drawings_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="784 bytes"):
        pack([bytes(PIXELS), bytes(size), bytes(PIXELS)])


def test_drawings_are_packed_in_their_order() -> None:
    drawings = list(DRAWINGS.values())
    assert pack(drawings) == [packed for pixels in drawings for packed in pack([pixels])]
    assert pack([]) == []
