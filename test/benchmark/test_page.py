# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Tables of the benchmark, and the description of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.benchmark.arithmetic import add_limit
from hiseg_ros.benchmark.energy import EnergyMeter
from hiseg_ros.benchmark.machine import describe_machine
from hiseg_ros.benchmark.page import markdown
from hiseg_ros.benchmark.spread import Spread

STAGES = {
    'preprocess': {'median': 1.0, 'p95': 2.0},
    'network': {'median': 80.0, 'p95': 90.0},
    'decision': {'median': 4.04, 'p95': 5.0},
    'frame': {'median': 85.5, 'p95': 97.1},
}
ENGINE = {
    'size': [512, 1024],
    'backend': 'openvino',
    'precision': 'bfloat16',
    'stages_ms': STAGES,
    'cameras': 1,
    'images_per_s': 11.5,
    'decision_share': 0.047,
    'host_peak_mib': 390,
    'device_peak_mib': None,
    'reference': 'eager float32',
    'batched': False,
    'joules_per_frame': None,
    'labels_equal_to_reference': 0.98123,
    'miou': 0.684,
}
GRAPH = {
    'size': [512, 1024],
    'backend': 'openvino',
    'precision': 'auto',
    'camera_hz': 10.25,
    'is_sustained': True,
    'frames_per_s': 10.2,
    'lost': 0.005,
    'latency_ms': {'median': 95.0, 'p95': 120.0},
    'engine_ms': 85.5,
    'overhead_ms': 6.1,
    'cores': 1.7,
    'host_peak_mib': 470,
    'cameras': 1,
    'reference': 'openvino float32',
    'labels_equal_to_reference': 0.99876,
}


def test_a_spread_is_median_and_tail() -> None:
    """Of one value it is that value; of none there is none."""
    assert Spread.of([]) is None
    assert Spread.of([3.0]) == Spread(3.0, 3.0)
    assert Spread.of(list(range(101))) == Spread(50.0, 95.0)


def test_the_machine_is_described_without_naming_it() -> None:
    """Processor, memory and versions; nothing that says where it stands."""
    import getpass
    import socket

    machine = describe_machine()
    assert machine['processor']
    assert 'numpy' in machine['packages']  # type: ignore[operator]
    text = repr(machine)
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert f'{getpass.getuser()}@' not in text


def test_a_page_has_the_machine_and_both_tables() -> None:
    """A backend that is not here says why, and its row is short."""
    missing = {
        'size': [512, 1024],
        'backend': 'compile',
        'precision': 'float32',
        'error': 'No compiler.',
    }
    page = markdown(
        {
            'command': 'hiseg benchmark',
            'machine': describe_machine(),
            'engines': [ENGINE, missing],
            'graph': [GRAPH],
        }
    )
    assert '| 512x1024 | openvino bfloat16 | 11.5 | 85.5 (97.1) | 1.0 | 80.0 | 4.0 |' in page
    assert '| 98.12 % | 68.4 % |' in page
    assert '| compile float32 | not available: No compiler. |' in page
    assert '| 10.2 (sustained) | 10.2 | 0.5 % | 95.0 (120.0) |' in page
    assert '| 470 | 99.88 % |' in page
    assert 'device MiB' not in page  # nothing was measured of it
    assert 'Engines; the reference of the labels is `eager float32`:' in page
    assert 'graph; the reference of the labels is `openvino float32`:' in page


def test_a_page_says_how_images_of_several_cameras_were_run() -> None:
    """In a batch or one by one; a row that failed does not say."""
    rows = [
        {**ENGINE, 'cameras': 4, 'batched': True},
        {**ENGINE, 'cameras': 4},
        {'size': [8, 8], 'cameras': 4, 'backend': 'x', 'precision': 'y', 'error': 'No.'},
    ]
    page = markdown({'command': '', 'machine': describe_machine(), 'engines': rows})
    assert '| 512x1024, 4 cameras in a batch | openvino' in page
    assert '| 512x1024, 4 cameras one by one | openvino' in page
    assert '| 8x8, 4 cameras | x y | not available: No. |' in page


def test_a_page_without_reference_says_so() -> None:
    """Instead of naming none."""
    row = {**ENGINE, 'reference': None, 'labels_equal_to_reference': None}
    page = markdown({'command': '', 'machine': describe_machine(), 'engines': [row]})
    assert 'no backend runs the network in float32 here, so labels are not compared' in page


def test_a_frame_is_compared_with_what_the_device_can_compute() -> None:
    """500 GFLOP at 1000 TFLOP/s are half a millisecond, for each camera."""
    row = {**ENGINE, 'cameras': 4, 'network': 'large'}
    add_limit(row, 500.0, 1000.0)
    assert row['limit_ms'] == 2.0
    assert row['frame_over_limit'] == 42.75
    without = dict(ENGINE)
    add_limit(without, 500.0, None)
    assert without == ENGINE
    arithmetic = [
        {'model': 'large', 'size': [512, 1024], 'gflop': 500.0},
        {'peak_tflops': 1000.0, 'peak_precision': 'bfloat16'},
        {'error': 'No torch.'},
    ]
    page = markdown(
        {
            'command': '',
            'machine': describe_machine(),
            'engines': [row],
            'arithmetic': arithmetic,
        }
    )
    assert '| 68.4 % | 42.75 |' in page
    assert '| large: openvino bfloat16 |' in page
    assert '- large at 512x1024: 500 GFLOP per image' in page
    assert '- products of bfloat16 matrices: 1000 TFLOP/s' in page
    assert '- not measured: No torch.' in page


def test_an_input_that_follows_the_camera_is_named_with_its_sizes() -> None:
    """Two sizes as a range, one alone; nothing is known where everything was lost."""

    def page(heights: list[int] | None) -> str:
        row = {**GRAPH, 'input_height': 'auto', 'network_heights': heights}
        return markdown({'command': '', 'machine': describe_machine(), 'graph': [row]})

    assert ', network at 320 to 448 (auto) |' in page([320, 448])
    assert ', network at 448 (auto) |' in page([448, 448])
    assert ', network at unknown (auto) |' in page(None)


def test_layers_are_listed_with_their_kernels() -> None:
    """And the network that they are of."""
    profile = {
        'model': 'x.onnx',
        'precision': 'int8',
        'input_size': [512, 1024],
        'network_ms': {'median': 30.0, 'p95': 31.0},
        'layers': [{'kind': 'Convolution', 'kernel': 'brgconv', 'ms': 18.0}],
    }
    page = markdown({'command': '', 'machine': describe_machine(), 'profile': [profile]})
    assert 'Layers of x.onnx in int8 at 512x1024' in page
    assert '| Convolution | brgconv | 18.00 |' in page


def test_a_run_without_results_has_no_latency() -> None:
    """Everything was lost, and the page says so."""
    lost = {**GRAPH, 'latency_ms': None, 'lost': 1.0, 'engine_ms': None}
    page = markdown({'command': '', 'machine': describe_machine(), 'graph': [lost]})
    assert '| 100.0 % | nan (nan) |' in page


def test_energy_is_the_sum_of_the_packages_counters(tmp_path: Path) -> None:
    """Parts of a package are not counted twice; a counter that began anew says nothing."""
    for name, joules in (('intel-rapl:0', 10), ('intel-rapl:1', 5), ('intel-rapl:0:0', 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'energy_uj').write_text(f'{joules * 10**6}\n')
    meter = EnergyMeter('cpu', tmp_path)
    assert meter.is_available
    meter.start()
    (tmp_path / 'intel-rapl:1' / 'energy_uj').write_text(f'{7 * 10**6}\n')
    assert meter.joules() == pytest.approx(2.0)
    (tmp_path / 'intel-rapl:0' / 'energy_uj').write_text('0\n')
    assert meter.joules() is None


def test_without_a_counter_there_is_no_energy(tmp_path: Path) -> None:
    """Most virtual machines have none."""
    meter = EnergyMeter('cpu', tmp_path)
    assert not meter.is_available
    meter.start()
    assert meter.joules() is None
