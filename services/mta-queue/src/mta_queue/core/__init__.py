"""When to try, where, and what an answer means, decided without I/O."""
