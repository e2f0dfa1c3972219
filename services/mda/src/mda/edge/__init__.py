"""Who enters: messages of the bus."""
