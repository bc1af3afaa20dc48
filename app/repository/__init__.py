"""Every SQL statement of the application. Nothing here begins or ends a transaction."""
