"""The stores of the embedded installation: real PostgreSQL, NATS and S3, from wheels, as child processes on loopback."""
