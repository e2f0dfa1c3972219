"""What our own processes say to each other: generated from proto/."""
