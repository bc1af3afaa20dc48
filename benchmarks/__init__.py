"""Benchmarks of PixelWise. The service does not import them."""

import os

# They call services on this machine only, never through a proxy.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"
