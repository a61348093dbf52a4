"""The client of the API server: the connection and all requests. It makes no decisions."""
