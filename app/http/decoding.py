"""Decode images: small ones do not wait for large ones."""

import asyncio
from typing import Final

from app.config import environment_with
from app.drawings.containers import count_pixels
from app.drawings.decoder import Decoder, DecoderBusy
from app.http.problems import DecoderTooBusy

# Two large images at once would take too much memory.
SMALL_PIXELS: Final = 2_000_000

MAX_WAIT_S: Final = 10.0


class _Lane:
    def __init__(self) -> None:
        self.decoder = Decoder(environment_with(OPENBLAS_NUM_THREADS="1"))
        self.turn = asyncio.Semaphore(1)


class Decoding:
    def __init__(self) -> None:
        self._small, self._large = _Lane(), _Lane()

    async def read(self, data: bytes) -> bytes:
        """Return the 784 pixels of an image's digit; raise ImageError or DecoderTooBusy."""
        pixels = await asyncio.to_thread(count_pixels, data)
        lane = self._small if pixels <= SMALL_PIXELS else self._large
        try:
            await asyncio.wait_for(lane.turn.acquire(), MAX_WAIT_S)
            try:
                return await asyncio.to_thread(lane.decoder.read, data)
            finally:
                lane.turn.release()
        except (TimeoutError, DecoderBusy):
            raise DecoderTooBusy from None

    def close(self) -> None:
        for lane in (self._small, self._large):
            lane.decoder.close()
