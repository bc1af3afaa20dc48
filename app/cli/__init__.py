"""The command line, one module for each subject.

Functions import what is slow to load, so that `--help` is fast.
"""
