"""Where mail leaves: relay to other systems, with a queue that can be seen."""
