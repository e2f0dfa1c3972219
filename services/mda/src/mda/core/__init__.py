"""What is filed where, decided without I/O."""
