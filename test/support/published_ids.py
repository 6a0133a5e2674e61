# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Ids and names of public datasets, written down apart from the YAML files that they check."""

from __future__ import annotations

IDS: dict[str, list[int]] = {
    'gta5': list(range(35)),
    'cityscapes_trainids': [*range(19), 255],
    'synthia': list(range(23)),
    'idd': list(range(40)),
    'wilddash_2': list(range(81)),
    'vistas_2': list(range(124)),
    'ade20k': list(range(151)),
    'coco_stuff': [*range(182), 255],
    'voc': [*range(21), 255],
    'a2d2': list(range(38)),
    'vkitti_2': list(range(15)),
    'camvid_32': list(range(32)),
}
"""All ids that a label file of the dataset may have."""


def numbered(names: str, first: int = 0) -> dict[int, str]:
    """Return names by number; they are separated by commas."""
    return dict(enumerate((name.strip() for name in names.split(',')), first))


NAMES: dict[str, dict[int, str]] = {
    'gta5': {7: 'road', 11: 'building', 17: 'pole', 19: 'traffic light', 21: 'vegetation',
             22: 'terrain', 23: 'sky', 24: 'person', 26: 'car', 28: 'bus', 31: 'train',
             33: 'bicycle', 34: 'license plate'},
    'cityscapes_trainids': numbered(
        'road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, '
        'terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle'
    ),
    'synthia': numbered(
        'void, sky, building, road, sidewalk, fence, vegetation, pole, car, traffic sign, '
        'pedestrian, bicycle, motorcycle, parking slot, road work, traffic light, terrain, rider, '
        'truck, bus, train, wall, lane marking'
    ),
    'idd': numbered(
        'road, parking, drivable fallback, sidewalk, rail track, non-drivable fallback, person, '
        'animal, rider, motorcycle, bicycle, autorickshaw, car, truck, bus, caravan, trailer, '
        'train, vehicle fallback, curb, wall, fence, guard rail, billboard, traffic sign, '
        'traffic light, pole, polegroup, obs-str-bar-fallback, building, bridge, tunnel, '
        'vegetation, sky, fallback background, unlabeled, ego vehicle, rectification border, '
        'out of roi, license plate'
    ),
    'wilddash_2': {1: 'egovehicle', 7: 'road', 14: 'guardrail', 20: 'trafficsign', 26: 'car',
                   31: 'onrails', 34: 'pickup', 35: 'van', 36: 'billboard', 38: 'roadmarking',
                   46: 'utilitypole', 48: 'bicyclist', 52: 'curb', 58: 'autorickshaw',
                   61: 'tramtrack', 70: 'pedestrianarea', 76: 'crosswalkzebra', 80: 'curbcut'},
    'vistas_2': {0: 'animal--bird', 4: 'construction--barrier--curb',
                 7: 'construction--barrier--other-barrier', 13: 'construction--flat--bike-lane',
                 21: 'construction--flat--road', 24: 'construction--flat--sidewalk',
                 27: 'construction--structure--building', 30: 'human--person--individual',
                 35: 'marking--continuous--dashed', 45: 'marking--discrete--crosswalk-zebra',
                 58: 'marking-only--discrete--text', 61: 'nature--sky', 64: 'nature--vegetation',
                 78: 'object--sign--advertisement', 85: 'object--support--pole',
                 90: 'object--traffic-light--general-single',
                 91: 'object--traffic-light--pedestrians', 100: 'object--traffic-sign--front',
                 105: 'object--vehicle--bicycle', 108: 'object--vehicle--car',
                 114: 'object--vehicle--truck', 120: 'void--ego-vehicle'},
    'ade20k': {1: 'wall', 2: 'building', 3: 'sky', 4: 'floor', 5: 'tree', 7: 'road', 10: 'grass',
               12: 'sidewalk', 13: 'person', 21: 'car', 44: 'signboard', 73: 'palm', 81: 'bus',
               84: 'truck', 94: 'pole', 103: 'van', 117: 'minibike', 128: 'bicycle',
               137: 'traffic light', 139: 'ashcan', 150: 'flag'},
    'coco_stuff': {0: 'person', 1: 'bicycle', 2: 'car', 5: 'bus', 9: 'traffic light',
                   12: 'stop sign', 15: 'bird', 24: 'giraffe', 91: 'banner', 94: 'bridge',
                   95: 'building-other', 112: 'fence', 123: 'grass', 139: 'pavement', 148: 'road',
                   156: 'sky-other', 168: 'tree', 177: 'water-other'},
    'voc': numbered(
        'background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, '
        'diningtable, dog, horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor'
    ),
    'a2d2': numbered(
        'Animals, Bicycle, Blurred area, Buildings, Car, Curbstone, Dashed line, '
        'Drivable cobblestone, Ego car, Electronic traffic, Grid structure, Irrelevant signs, '
        'Nature object, Non-drivable street, Obstacles / trash, Painted driv. instr., '
        'Parking area, Pedestrian, Poles, RD normal street, RD restricted area, Rain dirt, '
        'Road blocks, Sidebars, Sidewalk, Signal corpus, Sky, Slow drive area, Small vehicles, '
        'Solid line, Speed bumper, Tractor, Traffic guide obj., Traffic sign, Traffic signal, '
        'Truck, Utility vehicle, Zebra crossing'
    ),
    'vkitti_2': numbered(
        'Undefined, Terrain, Sky, Tree, Vegetation, Building, Road, GuardRail, TrafficSign, '
        'TrafficLight, Pole, Misc, Truck, Car, Van'
    ),
    'camvid_32': numbered(
        'Animal, Archway, Bicyclist, Bridge, Building, Car, CartLuggagePram, Child, Column_Pole, '
        'Fence, LaneMkgsDriv, LaneMkgsNonDriv, Misc_Text, MotorcycleScooter, OtherMoving, '
        'ParkingBlock, Pedestrian, Road, RoadShoulder, Sidewalk, SignSymbol, Sky, '
        'SUVPickupTruck, TrafficCone, TrafficLight, Train, Tree, Truck_Bus, Tunnel, '
        'VegetationMisc, Void, Wall'
    ),
}  # fmt: skip
"""Names by id as published, of all or of some ids."""

LEAVES: dict[str, list[tuple[int, set[str]]]] = {
    'synthia': [
        (3, {'Road', 'Bike Lane', 'Service Lane', 'Crosswalk - Plain', 'Catch Basin', 'Manhole',
             'Pothole'}),
        (9, {'Traffic Sign'}),
        (22, {'Marking'}),
    ],
    'idd': [(11, {'Other Vehicle'}), (18, {'Vehicle'}), (24, {'Traffic Sign'})],
    'wilddash_2': [(7, {'Road'}), (34, {'Truck'}), (61, {'Rail Track'}), (67, {'Car Mount'})],
    'vistas_2': [(36, {'Lane Marking - General'}), (91, {'Traffic Light'}), (30, {'Person'})],
    'ade20k': [(13, {'Human'}), (7, {'Driveable'}), (4, {'Construction - Flat'})],
    'coco_stuff': [(0, {'Human'}), (12, {'o_stop'}), (24, {'Ground Animal'})],
    'voc': [(15, {'Human'}), (14, {'Motorcycle'})],
    'a2d2': [(1, {'Bicycle', 'Bicyclist'}), (4, {'Car'}), (26, {'Sky'})],
    'vkitti_2': [(3, {'Vegetation'}), (6, {'Driveable'})],
    'camvid_32': [(2, {'Bicyclist', 'Bicycle'}), (10, {'Marking'}), (21, {'Sky'})],
}  # fmt: skip
"""Label ids and the nodes that cover just what the label allows."""
