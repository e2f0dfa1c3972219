"""The one gate in: object, then envelope, then 250."""
