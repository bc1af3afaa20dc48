"""Decode images: small ones do not wait for large ones."""

from typing import Final

from starlette.requests import HTTPConnection

from app.config import environment_with
from app.drawings.containers import count_pixels
from app.drawings.decoder import Decoder, DecoderBusy
from app.http.errors import Busy
from app.http.lanes import IMAGES, Lane
from app.services.threads import in_thread

# Two large images at once would take too much memory.
SMALL_PIXELS: Final = 2_000_000


class _DecoderLane(Lane):
    def __init__(self) -> None:
        super().__init__(IMAGES)
        self.decoder = Decoder(environment_with())


class Decoding:
    def __init__(self) -> None:
        self._small, self._large = _DecoderLane(), _DecoderLane()

    async def read(self, request: HTTPConnection, data: bytes) -> bytes:
        """Return the 784 pixels of an image's digit; raise ImageError or Busy."""
        pixels = await in_thread(count_pixels, data)
        lane = self._small if pixels <= SMALL_PIXELS else self._large
        async with lane.place(request):
            try:
                return await in_thread(lane.decoder.read, data)
            except DecoderBusy:
                raise Busy from None

    def close(self) -> None:
        for lane in (self._small, self._large):
            lane.decoder.close()
