# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one table of types, ranges and meanings."""

from __future__ import annotations

import dataclasses
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hiseg_ros.errors import ConfigError
from hiseg_ros.images.bit_depth import BITS
from hiseg_ros.regions import MIN_PROBABILITY, MIN_VOTE
from hiseg_ros.rotation import ROTATIONS
from hiseg_ros.types import ImageSize

T = TypeVar('T', str, int, float, bool, tuple[str, ...], tuple[int, ...])

Value = str | int | float | bool | list[str] | list[int]
"""Value of a parameter in ROS."""

_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}

AUTO = 'auto'
"""Value of input_height that lets the node choose."""

_CAMERA = re.compile(r'[A-Za-z]\w*(/[A-Za-z]\w*)*', re.ASCII)
"""Camera names that can be part of a topic."""

_IMAGE_SIZE = re.compile(r'([1-9]\d{0,3})x([1-9]\d{0,3})', re.ASCII)


@dataclass(frozen=True)
class Rule:
    """What one parameter means and which values it takes."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ''
    live: bool = False
    """Whether it may change while the node is configured."""
    word: str = ''
    """Text that is accepted in place of a number; '' for none."""


def _parameter(
    default: T,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = '',
    live: bool = False,
    word: str = '',
) -> T:
    rule = Rule(description, low, high, choices, pattern, live, word)
    return field(default=default, metadata={'rule': rule})


@dataclass(frozen=True)
class NodeParameters:
    """A consistent snapshot of all parameters; `overlay_alpha` is the parameter overlay.alpha."""

    autostart: bool = _parameter(
        True, 'Configure and activate at start-up; false waits for a lifecycle manager.'
    )
    model: str = _parameter(
        '',
        'Path of the weights (.safetensors) or of an exported network (.onnx); empty for the '
        'weights that hiseg_ros ships.',
    )
    taxonomy: str = _parameter(
        '',
        'Taxonomy that the weights must have: a name in config/taxonomies or the path of a '
        'YAML file, whose colours are then used; empty for the one in the weights file.',
    )
    device: str = _parameter(
        'auto',
        'Where the network runs: auto takes the first CUDA device, else the CPU.',
        choices=('auto', 'cpu', 'cuda', 'cuda:N'),
        pattern=r'auto|cpu|cuda(:\d+)?',
    )
    backend: str = _parameter(
        'auto',
        'What runs the network: eager, compile or cuda_graph for weights, onnx_runtime, tensorrt '
        'or openvino for a .onnx file; auto takes the fastest that is installed, for weights '
        'cuda_graph on a GPU that proves to run it, else eager.',
        choices=(
            'auto',
            'eager',
            'compile',
            'cuda_graph',
            'onnx_runtime',
            'tensorrt',
            'openvino',
        ),
    )
    precision: str = _parameter(
        'auto',
        'Precision of the convolutions. bfloat16, float16 and int8 are faster where the device '
        'has them; a few pixels in a hundred get another label, with about the same accuracy. '
        'float16 needs a GPU with weights or tensorrt, int8 a file from hiseg quantize; without a '
        'model int8 takes street_lite. auto takes the fastest.',
        choices=('auto', 'float32', 'bfloat16', 'float16', 'int8'),
    )
    input_height: int | str = _parameter(
        AUTO,
        'Shorter side of the network input in pixels. auto follows the cameras: of a few sizes '
        'from the one set in the weights down to input_height_min, the largest with which every '
        'image is processed in time. A number fixes it; 0 fixes the size set in the weights.',
        low=0,
        high=4096,
        word=AUTO,
    )
    input_height_min: int = _parameter(
        256,
        'Shorter side of the network input in pixels that input_height auto does not go below.',
        low=32,
        high=4096,
    )
    target_rate: float = _parameter(
        0.0,
        'Images per second of each camera that input_height auto makes time for, where fewer than '
        'the camera sends are enough; 0 for all that it sends.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    image_sizes: tuple[str, ...] = _parameter(
        ('',),
        'Expected image sizes as HEIGHTxWIDTH, such as [512x1024]: the network is compiled and '
        'warmed up for them when the node is configured; otherwise the first image of each size '
        'waits for that.',
    )
    cameras: tuple[str, ...] = _parameter(
        ('',),
        'Cameras that share the network: with [front, rear] images come from front/image and '
        'rear/image, and results go to ~/front/labels and so on; empty for one camera without a '
        'name, whose images come from image and whose results go to ~/labels.',
    )
    max_batch: int = _parameter(
        0,
        'Largest number of images in one run of the network; 0 for all cameras where a batch '
        'takes less time than its images one by one (on a GPU), else 1.',
        low=0,
        high=64,
        live=True,
    )
    max_batch_wait_ms: float = _parameter(
        5.0,
        'Longest time in ms that an image waits for those of other cameras to form a batch; '
        'cameras that deliver no images are not waited for.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    overlap: bool = _parameter(
        True,
        'While images wait, build and publish the messages of a frame while the next one is in '
        'the network; a result waits for at most the one before it.',
        live=True,
    )
    max_age_s: float = _parameter(
        0.0,
        'Images whose stamp is older than this, in seconds, when their turn comes are dropped; '
        '0 drops none.',
        low=0.0,
        high=3600.0,
        live=True,
    )
    max_rate: float = _parameter(
        0.0,
        'Largest number of images per second of each camera that are processed: an image that '
        'comes less than 1 / max_rate seconds after the last one is dropped; 0 for no limit.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    rotation: tuple[int, ...] = _parameter(
        (0,),
        'Degrees (0, 90, 180 or 270) by which cameras are mounted turned clockwise, seen from '
        'behind: the network sees their images upright, results are as the camera sees. One '
        'number for all cameras, or a list with one for each entry of cameras.',
        choices=tuple(map(str, ROTATIONS)),
    )
    image_transport: str = _parameter(
        'raw',
        'raw subscribes to image (sensor_msgs/Image), compressed to image/compressed '
        '(sensor_msgs/CompressedImage, JPEG or PNG).',
        choices=('raw', 'compressed'),
    )
    bit_depth: int = _parameter(
        0,
        'Bits of the sensor, 8 to 16, for images with 16-bit samples (mono16, bayer_rggb16, ...), '
        'whose values are in the low bits; 0 measures them by the largest value so far.',
        low=0,
        high=16,
        choices=('0', *map(str, BITS)),
    )
    image_reliability: str = _parameter(
        'auto',
        'Reliability of the image subscription; auto is reliable where every publisher of the '
        'topic is, else best_effort.',
        choices=('auto', 'reliable', 'best_effort'),
    )
    image_timeout: float = _parameter(
        1.5,
        'Seconds without an image after which the diagnostics report a camera as stale.',
        low=0.1,
        high=3600.0,
        live=True,
    )
    threshold: float = _parameter(
        0.0,
        'Smallest conditional probability of a child, given its parent, at which a pixel gets the '
        'finer label; 0 always decides down to a leaf.',
        low=0.0,
        high=1.0,
        live=True,
    )
    overlay_alpha: float = _parameter(
        0.5,
        'Weight of the label colours over the image in ~/overlay/image.',
        low=0.0,
        high=1.0,
        live=True,
    )
    probabilities_encoding: str = _parameter(
        'uint8',
        'Number format of ~/level_N/probabilities.',
        choices=('uint8', 'float16'),
        live=True,
    )
    probabilities_stride: int = _parameter(
        0,
        'Image pixels per cell of ~/level_N/probabilities, along both axes; 0 for the grid of '
        'the network, which loses nothing.',
        low=0,
        high=64,
        live=True,
    )
    signs_min_area: int = _parameter(
        16,
        'Smallest connected region in ~/traffic_signs in pixels.',
        low=1,
        high=1_000_000,
        live=True,
    )
    signs_max_masks: int = _parameter(
        64,
        'Largest number of regions in one ~/traffic_signs message, the largest first.',
        low=1,
        high=1000,
        live=True,
    )
    signs_min_probability: float = _parameter(
        MIN_PROBABILITY,
        'Regions in which a sign is nowhere this probable are left out of ~/traffic_signs.',
        low=0.0,
        high=1.0,
        live=True,
    )
    signs_min_vote: float = _parameter(
        MIN_VOTE,
        'A sign whose likeliest type has a smaller vote is one of unknown type in '
        '~/traffic_signs; 0 always names a type.',
        low=0.0,
        high=1.0,
        live=True,
    )
    label_sets: tuple[str, ...] = _parameter(
        ('',),
        'Label sets of datasets to publish as well, each in its own label ids: names in '
        'config/mappings or paths of YAML files; [cityscapes] adds ~/cityscapes/labels.',
    )
    nav2_classes: str = _parameter(
        '',
        'Classes of ~/nav2/mask for the semantic layer of Nav2: a name in config/mappings, such '
        'as nav2, or the path of a YAML file; empty to publish none.',
    )
    nav2_height: int = _parameter(
        0,
        'Rows of ~/nav2/mask, those of the point cloud; 0 to follow nav2/camera_info.',
        low=0,
        high=8192,
    )
    nav2_width: int = _parameter(
        0,
        'Columns of ~/nav2/mask, those of the point cloud; 0 to follow nav2/camera_info.',
        low=0,
        high=8192,
    )
    nav2_min_probability: float = _parameter(
        0.0,
        'Pixels of ~/nav2/mask whose class is less probable are unlabeled, so the layer '
        'ignores them.',
        low=0.0,
        high=1.0,
    )
    autoware_classes: str = _parameter(
        '',
        'Classes of ~/autoware/mask, whose data are run-length encoded as in Autoware: autoware, '
        'another name in config/mappings or the path of a YAML file; empty to publish none.',
    )
    semantic_classes: str = _parameter(
        '',
        'Labels of ~/semantic/image_raw (16SC1, -1 for unlabeled): a name in config/mappings or '
        'the path of a YAML file; empty for the node ids of ~/labels.',
    )
    points_source: str = _parameter(
        'none',
        'Where the points of ~/points come from: depth, an image on depth/image that is aligned '
        'with the camera image, with camera_info; cloud, an organised PointCloud2 on depth/points '
        'with a point for each pixel; none to publish none.',
        choices=('none', 'depth', 'cloud'),
    )
    points_max_offset_ms: float = _parameter(
        0.0,
        'Largest difference in ms between the stamps of image and depth in ~/points; 0 for equal '
        'stamps.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    points_queue_size: int = _parameter(
        15,
        'Number of depth images or clouds of a camera, and of its labelled images, that wait for '
        'each other; at 30 Hz, 15 cover half a second.',
        low=1,
        high=100,
    )
    points_stride: int = _parameter(
        1,
        'Pixels per point of ~/points along both axes; 1 for a point for each pixel.',
        low=1,
        high=64,
        live=True,
    )
    points_dense: bool = _parameter(
        False,
        'Leave pixels without depth out of ~/points, which then is one row of points; false keeps '
        'the rows and columns of the image, with NaN where there is no depth.',
        live=True,
    )
    points_color: str = _parameter(
        'image',
        'Field rgb of ~/points: the colours of the camera image, or those of the labels.',
        choices=('image', 'labels'),
        live=True,
    )
    bond_heartbeat_period: float = _parameter(
        0.0,
        'Seconds between two heartbeats on bond while the node is active, for the lifecycle '
        'manager of Nav2 (its own default is 0.25); 0 for no bond. Needs the package bond.',
        low=0.0,
        high=2.0,
    )


def _ros_name(attribute: str) -> str:
    for group in ('overlay', 'probabilities', 'signs', 'nav2', 'autoware', 'semantic', 'points'):
        if attribute.startswith(f'{group}_'):
            return f'{group}.{attribute[len(group) + 1 :]}'
    return attribute


ATTRIBUTE_OF_NAME = {_ros_name(f.name): f.name for f in dataclasses.fields(NodeParameters)}
RULES: dict[str, Rule] = {
    _ros_name(f.name): f.metadata['rule'] for f in dataclasses.fields(NodeParameters)
}
DEFAULTS: dict[str, Value] = {
    _ros_name(f.name): list(f.default) if isinstance(f.default, tuple) else f.default  # type: ignore[misc]
    for f in dataclasses.fields(NodeParameters)
}


def check(name: str, value: object) -> Value | tuple[str, ...] | tuple[int, ...]:
    """Return a parameter's value in the parameter's own type (a whole number may be a float).

    Raises:
        ConfigError: The value has another type, lies outside the range or is no known choice.
    """
    rule, default = RULES[name], DEFAULTS[name]
    if isinstance(default, list):
        return _CHECKS.get(name, _mapping_names)(name, value)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    kind: type = int if rule.word else type(default)
    if rule.word and value == rule.word:
        return rule.word
    if type(value) is not kind:
        expected = _KINDS[kind]
    elif rule.choices and not re.fullmatch(rule.pattern or '|'.join(rule.choices), str(value)):
        expected = f'one of {", ".join(rule.choices)}'
    elif rule.low is not None and not rule.low <= float(str(value)) <= float(str(rule.high)):
        expected = f'a value from {rule.low:g} to {rule.high:g}'
    else:
        return value  # type: ignore[return-value]
    expected = f'{rule.word} or {expected}' if rule.word else expected
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected {expected}: correct it in the parameter file '
        'or with `ros2 param set`.'
    )


def fixed_height(parameters: NodeParameters) -> int:
    """Return the input height for the engine: the fixed one, or 0 for the weights' rule."""
    return 0 if isinstance(parameters.input_height, str) else parameters.input_height


def sizes_of(parameters: NodeParameters) -> tuple[ImageSize, ...]:
    """Return parameter image_sizes as (H, W) in pixels."""
    found = (_IMAGE_SIZE.fullmatch(entry) for entry in parameters.image_sizes)
    return tuple((int(match[1]), int(match[2])) for match in found if match)


def rotation_of(parameters: NodeParameters, camera: str) -> int:
    """Return the clockwise degrees by which a camera is mounted.

    Raises:
        ConfigError: There are neither one nor as many rotations as cameras.
    """
    given, cameras = parameters.rotation, parameters.cameras
    if len(given) not in (1, len(cameras)):
        raise ConfigError(
            f'Parameter rotation has {len(given)} entries for {len(cameras)} cameras; expected '
            'one for all, or one for each: correct it in the parameter file.'
        )
    return given[0] if len(given) == 1 else given[cameras.index(camera)]


def _rotations(name: str, value: object) -> tuple[int, ...]:
    given = [value] if type(value) is int else value
    if isinstance(given, (list, tuple, array)) and len(given):
        if all(type(entry) is int and entry in ROTATIONS for entry in given):
            return tuple(map(int, given))
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected 0, 90, 180 or 270 degrees, or a list with one '
        'them for each camera, such as [0, 90]: correct it in the parameter file.'
    )


def _mapping_names(name: str, value: object) -> tuple[str, ...]:
    names = [] if value is None else value
    if isinstance(names, (list, tuple)) and all(isinstance(entry, str) for entry in names):
        given = [entry for entry in names if entry]
        if len(given) == len(set(given)):
            return tuple(given) or ('',)
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected a list of different names in config/mappings or '
        'paths of YAML files, such as [cityscapes]: correct it in the parameter file.'
    )


def _camera_names(name: str, value: object) -> tuple[str, ...]:
    # ROS passes an empty list as no value at all or as a list of bytes.
    names = [] if value is None else value
    if isinstance(names, (list, tuple)) and all(isinstance(entry, str) for entry in names):
        given = [entry for entry in names if entry]
        if len(given) == len(set(given)) and all(map(_CAMERA.fullmatch, given)):
            return tuple(given) or ('',)
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected a list of different names of letters, digits '
        'and _, such as [front, rear]: correct it in the parameter file.'
    )


def _image_sizes(name: str, value: object) -> tuple[str, ...]:
    sizes = [] if value is None else value
    if isinstance(sizes, (list, tuple)) and all(isinstance(entry, str) for entry in sizes):
        given = [entry for entry in sizes if entry]
        if all(map(_IMAGE_SIZE.fullmatch, given)):
            return tuple(dict.fromkeys(given)) or ('',)
    raise ConfigError(
        f'Parameter {name} is {value!r}; expected a list of heights and widths in pixels, such as '
        '[512x1024]: correct it in the parameter file.'
    )


_CHECKS: dict[str, Callable[[str, object], tuple[str, ...] | tuple[int, ...]]] = {
    'cameras': _camera_names,
    'image_sizes': _image_sizes,
    'rotation': _rotations,
}
"""Checks of the lists that do not name mappings."""
