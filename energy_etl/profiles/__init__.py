"""What the columns, values and times of a kind of dump mean: profiles, and how they fit a file."""
