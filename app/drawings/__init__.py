"""Drawings of 28 x 28 pixels: read, measure, compare."""
