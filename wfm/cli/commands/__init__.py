"""One module per command, named as it is typed: its help, its options and the function that runs it."""
