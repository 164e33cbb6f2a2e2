"""`python -m stormcone`: the same as the program `stormcone`."""

from stormcone.cli import program

program()
