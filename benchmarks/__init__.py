"""Benchmarks of PixelWise. The service does not import them."""
