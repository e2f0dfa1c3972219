"""What the commands do: one file for each noun. They see the mail store, and no socket."""
