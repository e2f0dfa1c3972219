"""The commands of the language, a file each or a file for those that belong together."""
