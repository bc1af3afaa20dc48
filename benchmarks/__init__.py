"""Benchmarks of PixelWise; they know the service, and the service does not know them."""
