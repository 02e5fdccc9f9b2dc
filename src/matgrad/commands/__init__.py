"""The verbs of the command line, a file each, and what they show on a terminal."""
