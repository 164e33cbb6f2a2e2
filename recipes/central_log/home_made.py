"""What one writes in ten minutes: asks Azure every second, and posts what is new. The play without stormcone has it.

python recipes/central_log/home_made.py METADATA_URL CENTRAL_LOG
"""

import sys
import time

import requests

QUERY = {"api-version": "2020-07-01"}


def main() -> None:
    """Go on until killed."""
    metadata, log = sys.argv[1:]
    told = set[str]()
    while True:
        answer = requests.get(
            f"{metadata}/metadata/scheduledevents", params=QUERY, headers={"Metadata": "true"}, timeout=10
        )
        for event in answer.json()["Events"]:
            if event["EventId"] not in told:
                told.add(event["EventId"])
                try:
                    requests.post(log, json={"correlationid": event["EventId"], "data": event}, timeout=2)
                except requests.RequestException as error:
                    print(f"not told: {error}", flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
