"""The operator's REST door."""
