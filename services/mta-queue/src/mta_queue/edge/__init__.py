"""Who enters: messages of the bus, items that are due, the operator's questions."""
