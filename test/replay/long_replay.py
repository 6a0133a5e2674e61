# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replay a drawn recording of an hour of a live node, and say how much memory it took.

.venv/bin/python test/replay/long_replay.py 54000

Images have 48 x 64 pixels and the engine only looks at colours, so that it takes minutes; what
is kept of a frame is the same as of a large one. Prints the resident memory on the way, in MiB.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'support'))

from live_support import LiveCamera, write_live
from replay_support import SIZE, replay

from hiseg_ros.reports.replay_page import write_report


def resident_mib(field: str = 'VmRSS') -> float:
    """Return the memory of this process now, or at most ('VmHWM')."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main(frames: int) -> None:
    """Write the recording, replay it and write its report."""
    looks = {frames * part // 10 for part in range(1, 11)}

    def look(done: int) -> None:
        if done in looks:
            print(f'{done:7d} frames  {resident_mib():7.1f} MiB', flush=True)

    with tempfile.TemporaryDirectory() as folder:
        latency = {number: 60.0 + number % 40 for number in range(frames) if number % 5}
        bag = write_live(Path(folder) / 'bag', [LiveCamera(latency, frames)], size=SIZE)
        print(f'recording written: {resident_mib():.1f} MiB', flush=True)
        metrics = replay(bag, Path(folder) / 'out', on_frame=look, part_frames=25)
        tracks = len(metrics['cameras'][0]['sign_tracks'])
        print(f'replayed, {tracks} sign tracks: at most {resident_mib("VmHWM"):.1f} MiB')
        write_report(Path(folder) / 'out')
        print(f'report written: at most {resident_mib("VmHWM"):.1f} MiB')
        timing = json.loads((Path(folder) / 'out/timing.json').read_text())
        print(f'{timing["rate_hz"]:.0f} frames/s')


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 54_000)
