"""One process that starts the parts of an installation, keeps them alive, and ends them in order."""
