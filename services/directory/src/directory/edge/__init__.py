"""Who asks: gRPC."""
