"""PixelWise: reads hand-drawn digits and remembers what it read."""

__version__ = "0.6.0"
