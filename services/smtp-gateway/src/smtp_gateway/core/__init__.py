"""What is accepted from whom, decided without I/O."""
