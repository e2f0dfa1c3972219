"""What a recipient resolves to and what a name may look like, decided without I/O."""
