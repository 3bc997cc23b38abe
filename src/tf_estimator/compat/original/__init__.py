"""Private names of the original that libraries use, where nothing public here is the same thing."""
