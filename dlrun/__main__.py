"""python -m dlrun."""

from dlrun.cli.main import main

main()
