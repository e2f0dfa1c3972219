"""How the needs of the routes are met: gRPC."""
