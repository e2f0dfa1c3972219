"""Who enters: the operator, over REST."""
