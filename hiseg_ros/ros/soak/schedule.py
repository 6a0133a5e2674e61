# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Schedule of a soak test: injects one fault after another and records the node's reactions.

python -m hiseg_ros.ros.soak.schedule PLAN (JSON) IMAGES.npz RECORD.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.harness.child_process import report, run_child
from hiseg_ros.ros.harness.spinning import spinning
from hiseg_ros.ros.soak.faults import FAULTS
from hiseg_ros.ros.soak.plan import SoakPlan
from hiseg_ros.ros.soak.rig import Rig, UnexpectedError
from hiseg_ros.ros.start import init_ros


def run(rig: Rig) -> None:
    """Inject a fault every period, in turn, until the time is over."""
    rig.begin()
    began = time.monotonic()
    report('began', at_s=began)
    rig.all_work()
    names = list(rig.cameras)
    for index in range(1, int(rig.plan.seconds / rig.plan.period_s)):
        fault = FAULTS[(index - 1) % len(FAULTS)]
        camera = names[sum(divmod(index - 1, len(FAULTS))) % len(names)]
        time.sleep(max(0.0, began + index * rig.plan.period_s - time.monotonic()))
        at_s, problem, found = time.monotonic() - began, '', ''
        try:
            found = fault.inject(rig, camera)
            rig.all_work()
        except UnexpectedError as unexpected:
            problem = str(unexpected)
        report('fault', name=fault.name, camera=camera if fault.is_of_camera else '',
               at_s=at_s, took_s=time.monotonic() - began - at_s, found=found,
               problem=problem)  # fmt: skip
    time.sleep(max(0.0, began + rig.plan.seconds - time.monotonic()))
    rig.finish()


def main() -> int:
    """Run until the time is over, then write the record."""
    plan, record = SoakPlan.of_json(sys.argv[1]), Path(sys.argv[3])
    init_ros()
    with np.load(sys.argv[2]) as images:
        rig = Rig(plan, dict(images))
    try:
        with spinning(rig):
            run(rig)
            record.write_text(json.dumps(rig.record()))
            report('finished')
            sys.stdin.buffer.read()  # the parent closes it
    except UnexpectedError as unexpected:
        raise ConfigError(f'The soak test was aborted: {unexpected}.') from unexpected
    return 0


if __name__ == '__main__':
    run_child(main)
