"""`scripts/fuzz`: the differential test for as long as one likes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.differential.drive import run
from tests.differential.installed import installed


async def fuzz(requests: int, seed: int) -> int:
    """Send *requests* requests in rounds of 10,000, and print what must not be."""
    logging.disable()  # what the frameworks say of odd requests is for nobody
    began, sent = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        async with installed(Path(folder)) as (runtime, holders):
            while sent < requests:
                findings = await run(runtime, holders, seed=seed, requests=min(10_000, requests - sent))
                sent += 10_000
                sys.stdout.write(
                    f"seed {seed}: {dict(findings.counts.most_common())}, {time.monotonic() - began:.0f} s\n"
                )
                sys.stdout.writelines(f"{wrong}\n" for wrong in findings.wrong)
                sys.stdout.flush()
                if findings.wrong:
                    return 1
                seed += 1
    return 0


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("requests", nargs="?", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(fuzz(arguments.requests, arguments.seed)))


if __name__ == "__main__":
    main()
