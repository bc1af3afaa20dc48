"""The calls that are measured: what clients send, and what of it is stored."""

import io
import json
import secrets
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.servers import Kind, Server

Images = NDArray[np.uint8]

BATCH = 1000
JSON = {"Content-Type": "application/json"}
UNIQUE = {"Idempotency-Key": "{unique}"}
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
    "Cache-Control": "max-age=0",
    "Origin": "http://127.0.0.1",
    "Referer": "http://127.0.0.1/",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
}


@dataclass(frozen=True)
class Request:
    """A POST without its key."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """A kind of request: how it is made of images (N, 28, 28), and how many drawings one of them has and stores."""

    requests: Callable[[Kind, Images], Sequence[Request]]
    drawings: int = 1
    stores: bool = True
    connections: tuple[int, ...] = (1, 32)
    """How many to measure it with: few enough that none is refused."""


def _single(headers: dict[str, str], path: str | None = None) -> Callable[[Kind, Images], list[Request]]:
    """Return a function that makes a request of each image, for the kind's own path unless one is given."""
    return lambda kind, images: [
        Request(path or kind.path, JSON | headers, json.dumps(kind.body(image)).encode()) for image in images
    ]


def _image_files(_: Kind, images: Images) -> list[Request]:
    """Make a form of each image: a PNG file of 280 x 280 pixels, dark on light."""
    boundary = secrets.token_hex(16)
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="digit.png"\r\n\r\n'.encode()
    requests = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(255 - image).resize((280, 280), Image.Resampling.BICUBIC).save(file, "PNG")
        body = start + file.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        requests.append(Request("/classify/image", {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body))
    return requests


def _thousand(images: Images) -> Images:
    return images[np.arange(BATCH) % len(images)]


def _json_batch(_: Kind, images: Images) -> list[Request]:
    return [Request("/classify/batch", JSON, json.dumps({"images": _thousand(images).tolist()}).encode())]


def _bytes_batch(_: Kind, images: Images) -> list[Request]:
    return [Request("/classify/batch", {"Content-Type": "application/octet-stream"}, _thousand(images).tobytes())]


CALLS = {
    "classify": Call(_single({})),
    "idempotent": Call(_single(UNIQUE)),
    "page": Call(_single(BROWSER | UNIQUE | {"X-Request-ID": "{unique}"}, "/api/classify")),
    "page-preview": Call(_single(BROWSER, "/api/classify/preview"), stores=False),
    "image": Call(_image_files, connections=(1, 4)),
    "batch-json": Call(_json_batch, BATCH, connections=(1,)),
    "batch-bytes": Call(_bytes_batch, BATCH, connections=(1,)),
}


def raw(server: Server, request: Request) -> bytes:
    """Return the request as it goes over the network."""
    headers = {
        "Host": urlsplit(server.url).netloc,
        "X-API-Key": server.key,
        **request.headers,
        "Content-Length": str(len(request.body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + request.body


def check_answers(server: Server, images: Images, digits: Sequence[str]) -> None:
    """Send the images one by one; raise RuntimeError unless the server reads these digits in them."""
    if server.kind.digit is None:
        return
    for request, digit in zip(CALLS["classify"].requests(server.kind, images), digits, strict=True):
        headers = request.headers | {"X-API-Key": server.key}
        with urllib.request.urlopen(urllib.request.Request(server.url + request.path, request.body, headers)) as answer:
            read = server.kind.digit(json.load(answer))
        if read != digit:
            raise RuntimeError(f"{server.name} reads a {read} where PixelWise's classifier reads a {digit}")
