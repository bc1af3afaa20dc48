"""Compare two models on the same drawings."""
