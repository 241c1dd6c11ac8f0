"""What all commands ask and print in a terminal."""
