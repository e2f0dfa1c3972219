"""What this service decides, without any I/O."""
