"""Requests and responses of the API, with examples."""
