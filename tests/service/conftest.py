"""The real program, as in the end-to-end tests."""

from tests.e2e.conftest import home, simulator, simulators, start_program

__all__ = ["home", "simulator", "simulators", "start_program"]
