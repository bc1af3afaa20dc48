"""Drawings of 28 x 28 pixels: read from image files, normalised, measured and compared."""
