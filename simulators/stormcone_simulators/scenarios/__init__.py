"""Scripts of events: their format, playing them, and making them up by chance; `library` has ours."""
