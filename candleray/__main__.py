"""`python -m candleray` is the command line."""

from candleray.cli import main

main()
