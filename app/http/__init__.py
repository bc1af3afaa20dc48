"""The HTTP API: middleware, routes, authentication, rate limits and errors."""
