"""The command line, one module for each subject.

Functions import what is slow to load (services, database, model), so that `--help` is fast.
"""
