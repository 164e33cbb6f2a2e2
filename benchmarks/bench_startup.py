"""How long the program takes to say something, beside a Python that does nothing: the best of many starts.

python benchmarks/bench_startup.py
"""

import subprocess
import sys
import time

STARTS = 15

PROGRAMS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import click'": ["-c", "import click"],
    "stormcone --help": ["-m", "stormcone", "--help"],
    "stormcone history --help": ["-m", "stormcone", "history", "--help"],
    "stormcone run --help": ["-m", "stormcone", "run", "--help"],
}


def seconds(arguments: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    return time.perf_counter() - begun


def main() -> None:
    print(f"{'program':28}{'ms':>8}{'above Python':>16}")
    bare = 0.0
    for name, arguments in PROGRAMS.items():
        best = min(seconds(arguments) for _ in range(STARTS))
        bare = bare or best
        print(f"{name:28}{best * 1000:8.0f}{(best - bare) * 1000:16.0f}")


if __name__ == "__main__":
    main()
