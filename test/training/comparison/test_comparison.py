# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Joint against separate training: what rows see, resuming, own labels, tables and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from hiseg_ros.datasets.sample import Box
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.taxonomy.mirror import NO_LEAF, load_mirror_images
from hiseg_ros.taxonomy.schema import dump_taxonomy
from hiseg_ros.training.comparison.box_scores import (
    BOXES_FOUND,
    PIXELS_IN_BOXES,
    evaluate_boxes,
)
from hiseg_ros.training.comparison.comparison import Pace, Result, train_and_score
from hiseg_ros.training.comparison.heterogeneous_page import (
    Facts,
    answers,
    costs_table,
    difference,
    labels_table,
    scores_table,
    write_page,
)
from hiseg_ros.training.comparison.own_labels import write_own_labels
from hiseg_ros.training.comparison.own_outputs import OwnOutputs
from hiseg_ros.training.comparison.rows import (
    PUBLISHED_FACTOR,
    comparison_rows,
    configs_of,
    exposure,
    row_config,
)
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted

NAMES = ['camvid', 'gtsdb', 'carla']


@pytest.fixture
def base() -> TrainingConfig:
    """Return the experiment that ships."""
    return load_training_config('heterogeneous')


@pytest.fixture
def configs(base: TrainingConfig, tmp_path: Path) -> dict[str, TrainingConfig]:
    """Return the settings of every row."""
    rows = comparison_rows(base)
    return {row.name: row_config(base, row, 3, tmp_path) for row in rows}


def test_a_dataset_is_seen_as_often_together_as_alone(configs: dict[str, TrainingConfig]) -> None:
    """And a long network of one dataset costs what the joint one does, in equal batches."""
    joint = exposure(configs['together'])
    for name in NAMES:
        alone, long = exposure(configs[f'alone_{name}']), exposure(configs[f'alone_{name}_long'])
        assert alone.crops_of == {name: joint.crops_of[name]}
        assert alone.steps < joint.steps
        assert long.crops == joint.crops
        assert configs[f'alone_{name}'].datasets[name].share * joint.steps == joint.crops
        if name != 'camvid':  # the others have boxes alone
            without = exposure(configs[f'without_{name}'])
            assert without.crops_of == {k: v for k, v in joint.crops_of.items() if k != name}
        assert exposure(configs[f'alone_{name}_taught']) == alone
    assert sum(exposure(configs[f'alone_{name}']).crops for name in NAMES) == joint.crops
    assert joint.steps >= 2000
    assert exposure(configs['iv2018']).steps == PUBLISHED_FACTOR * joint.steps


def test_rows_differ_in_head_loss_labels_and_data_alone(
    base: TrainingConfig, configs: dict[str, TrainingConfig]
) -> None:
    seen = {
        name: (config.network.head, config.loss.kind, Path(config.taxonomy).stem)
        for name, config in configs.items()
    }
    assert seen == {
        'together': ('conditional', 'set', 'street'),
        'together_leaf': ('leaf', 'set', 'street'),
        'together_cut': ('leaf', 'set', 'street'),
        'together_taught': ('leaf', 'set', 'street'),
        'hssn': ('nodes', 'hssn', 'street'),
        'heads': ('conditional', 'heads', 'heads'),
        'concat': ('leaf', 'set', 'concat'),
        'iv2018': ('conditional', 'iv2018', 'iv2018'),
        **{
            name: ('conditional', 'set', 'street')
            for own in NAMES
            for name in (f'alone_{own}', f'alone_{own}_long')
        },
        **{f'alone_{own}_taught': ('leaf', 'set', 'street') for own in NAMES},
        'without_gtsdb': ('conditional', 'set', 'street'),
        'without_carla': ('conditional', 'set', 'street'),
    }
    taught = {name for name, config in configs.items() if config.teacher}
    assert taught == {'together_taught', *(f'alone_{own}_taught' for own in NAMES)}
    for name, config in configs.items():
        assert (config.crop, config.seed, config.backbone_weights) == (
            base.crop,
            3,
            base.backbone_weights,
        )
        expected = replace(base.network, head=config.network.head)
        if name in {*taught, 'together_cut'}:
            sign = ('Traffic Sign (Front)',)
            expected = replace(expected, decoder='summed_detail', channels=192, cut_at=sign)
        assert config.network == expected
        if config.taxonomy == 'street':
            HierarchicalNetwork(config.network, load_taxonomy('street'))
    assert configs['iv2018'].datasets['camvid'].mapping == 'camvid_iv2018'
    assert configs['iv2018'].datasets['gtsdb'].mapping == ''
    assert configs['iv2018'].loss.classifier_weights == (1.0, 0.1)


def test_rows_that_an_experiment_cannot_have_are_left_out(
    base: TrainingConfig, small_taxonomy: Taxonomy, tmp_path: Path
) -> None:
    names = {row.name for row in comparison_rows(base)}
    assert {row.name for row in comparison_rows(replace(base, teacher=None))} == names - {
        'together_taught', *(f'alone_{own}_taught' for own in NAMES)
    }  # fmt: skip
    path = tmp_path / 'tree.yaml'
    path.write_text(yaml.safe_dump(dump_taxonomy(replace(small_taxonomy, subclass_root=None))))
    coarse = comparison_rows(replace(base, taxonomy=str(path)))
    assert {row.name for row in coarse} == names - {'together_cut'}
    assert not any(row.cut_at for row in coarse)


def test_a_factor_is_the_rows_own(base: TrainingConfig, tmp_path: Path) -> None:
    rows = comparison_rows(base, {'iv2018': 3.5, 'alone_gtsdb': 2.0})
    steps = {row.name: row_config(base, row, 1, tmp_path).steps for row in rows}
    assert steps['iv2018'] == 3.5 * base.steps
    assert steps['alone_gtsdb'] == 2 * base.steps / 4
    assert steps['heads'] == base.steps
    with pytest.raises(
        ConfigError, match=r"no variants \['flat'\]; expected some of \['together'"
    ):
        comparison_rows(base, {'flat': 2.0})
    with pytest.raises(ConfigError, match=r"factors on the steps are \{'heads': 0.0\}"):
        comparison_rows(base, {'heads': 0.0})


# Runs.


class Recorder:
    """Stands for training and measuring; the score counts the letters of the row's name."""

    def __init__(self, fail_at: str = '') -> None:
        """Fail at the run of this folder name."""
        self.fail_at = fail_at
        self.trained: list[str] = []

    def train(self, config: TrainingConfig, run_dir: Path) -> Path:
        """Write what stands for weights and a checkpoint."""
        if run_dir.name == self.fail_at:
            raise KeyboardInterrupt
        self.trained.append(run_dir.name)
        (run_dir / 'checkpoints').mkdir(parents=True)
        (run_dir / 'weights').write_text(config.name)
        return run_dir / 'weights'

    def score(self, weights: Path) -> dict[str, float]:
        """Return a score that tells the rows apart."""
        return {'camvid: mIoU': len(weights.read_text()) / 100}


def run(
    base: TrainingConfig,
    folder: Path,
    recorder: Recorder,
    only: tuple[str, ...] = (),
    measured_on: str = 'all images',
) -> list[Result]:
    """Run the comparison with one seed."""
    made = configs_of(base, comparison_rows(base), folder / 'trees')
    return train_and_score(made, [1], folder, recorder.train, recorder.score, only, measured_on)


def test_an_interrupted_comparison_goes_on_and_trains_nothing_twice(
    base: TrainingConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Recorder(fail_at='together_cut_1')
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, first)
    assert first.trained == ['together_1', 'together_leaf_1']
    second = Recorder()
    results = run(base, tmp_path, second)
    rest = [f'{row.name}_1' for row in comparison_rows(base)][2:]
    assert second.trained == rest
    assert [result.scores['camvid: mIoU'] for result in results[:2]] == [0.08, 0.13]
    stored = json.loads((tmp_path / 'results.json').read_text())
    assert [row['variant'] for row in stored] == [result.variant for result in results]
    assert 'run 3 of 19: together_cut, seed 1\n' in capsys.readouterr().out


def test_two_processes_share_a_folder_but_no_run(base: TrainingConfig, tmp_path: Path) -> None:
    """The second one trains other rows; the row that the first one trains is refused."""
    other = Recorder()

    class Beside(Recorder):
        def train(self, config: TrainingConfig, run_dir: Path) -> Path:
            run(base, tmp_path, other, ('concat',))
            with pytest.raises(ConfigError, match=r'Another process is at work in \S*heads_1;'):
                run(base, tmp_path, other, ('heads',))
            return super().train(config, run_dir)

    first = Beside()
    run(base, tmp_path, first, ('heads',))
    assert (first.trained, other.trained) == (['heads_1'], ['concat_1'])
    run(base, tmp_path, other, ('heads', 'concat'))
    assert other.trained == ['concat_1']


def test_scores_of_other_settings_are_not_taken(base: TrainingConfig, tmp_path: Path) -> None:
    run(base, tmp_path, Recorder(), ('heads',))
    with pytest.raises(ConfigError, match='other settings; expected'):
        run(replace(base, steps=base.steps + 1), tmp_path, Recorder(), ('heads',))
    with pytest.raises(ConfigError, match='other settings; expected'):
        run(base, tmp_path, Recorder(), ('heads',), '5 images')


def test_an_unknown_row_is_named(base: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no variants \['flat'\]; expected some of \['together'"
    ):
        run(base, tmp_path, Recorder(), ('flat',))


def test_the_time_left_follows_from_the_pixels_done() -> None:
    pace = Pace([1.0, 3.0, 2.0])
    assert pace.left(0) == ''
    pace.add(0, 120)
    assert pace.left(1) == '; about 10 min left'
    pace.add(1, 360)
    assert pace.left(2) == '; about 4 min left'


# Own labels.


def test_every_label_has_an_output_and_mirror_images_stay_in_their_dataset(
    base: TrainingConfig, tmp_path: Path
) -> None:
    for kind, depth in (('heads', 2), ('concat', 1)):
        files = write_own_labels(base, kind, tmp_path)  # type: ignore[arg-type]
        tree = load_taxonomy(files.taxonomy)
        assert tree.depth == depth
        assert len(tree.leaves) == 11 + 44 + 6
        mappings = [load_mapping(files.mappings[name], tree) for name in NAMES]
        leaves = [label.leaves for mapping in mappings for label in mapping.labels]
        assert sorted(leaves) == [(leaf,) for leaf in tree.leaves]
        assert [mapping.name for mapping in mappings] == ['camvid', 'gtsdb', 'carla_boxes']
        assert not any(mapping.from_boxes for mapping in mappings)
        mirror = load_mirror_images(files.mirror_images, tree)
        place = {tree.nodes[leaf].name: index for index, leaf in enumerate(tree.leaves)}
        assert mirror[place['gtsdb: m_go_left']] == place['gtsdb: m_go_right']
        assert mirror[place['gtsdb: p_limit_50']] == NO_LEAF
        assert mirror[place['camvid: Road']] == place['camvid: Road']
        assert mirror[place['gtsdb: outside all boxes']] == place['gtsdb: outside all boxes']


def test_two_datasets_with_the_same_labels_are_refused(
    base: TrainingConfig, tmp_path: Path
) -> None:
    twice = replace(base, datasets={**base.datasets, 'more': base.datasets['camvid']})
    with pytest.raises(ConfigError, match='expected another one for each'):
        write_own_labels(twice, 'heads', tmp_path)


class Fixed:
    """Stands for an engine: the same node probabilities everywhere but in the left half."""

    def __init__(self, taxonomy_file: Path | str, left: dict[str, float], right: dict[str, float]):
        """Take the probabilities of leaves by name."""
        self.taxonomy = load_taxonomy(taxonomy_file)
        grid = np.zeros((len(self.taxonomy), 2, 4), np.float32)
        for columns, values in ((slice(0, 2), left), (slice(2, 4), right)):
            for name, value in values.items():
                grid[self.taxonomy.node_id(name), :, columns] = value
        leaves = grid[list(self.taxonomy.leaves)]
        self.values = np.tensordot(self.taxonomy.leaf_matrix().astype(np.float32), leaves, 1)

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the probabilities, without labels."""
        size = (rgb.shape[0], rgb.shape[1])
        nothing = np.zeros((0, 0), np.uint8)
        return Segmentation(nothing, nothing, NodeProbabilities(self.values, size))


@pytest.mark.parametrize('kind', ['heads', 'concat'])
def test_a_dataset_is_measured_by_its_own_outputs(
    kind: str, base: TrainingConfig, tmp_path: Path
) -> None:
    """However much probability the outputs of other datasets have."""
    files = write_own_labels(base, kind, tmp_path)  # type: ignore[arg-type]
    engine = Fixed(
        files.taxonomy,
        {'camvid: Road': 0.9, 'gtsdb: o_stop': 0.03, 'gtsdb: outside all boxes': 0.02},
        {'camvid: Sky': 0.3, 'gtsdb: o_stop': 0.2, 'gtsdb: outside all boxes': 0.3},
    )
    street = load_taxonomy('street')
    own = OwnOutputs(engine, 'gtsdb', load_mapping('gtsdb', street), street)
    result = own.segment(np.zeros((8, 16, 3), np.uint8))
    stop = street.node_id('o_stop')
    assert (result.labels[:, :6] == stop).all()
    assert not (result.labels[:, -6:] == stop).any()
    np.testing.assert_allclose(result.probabilities.values[stop, 0], [0.6, 0.6, 0.4, 0.4], 1e-5)
    np.testing.assert_allclose(result.probabilities.values[0], 1, 1e-5)
    camvid = OwnOutputs(engine, 'camvid', load_mapping('camvid', street), street)
    labels = camvid.segment(np.zeros((8, 16, 3), np.uint8)).labels
    assert street.node_id('Driveable') in street.path(int(labels[0, 0]))
    assert labels[0, -1] == street.node_id('Sky')


# Boxes.


def test_boxes_are_found_by_a_quarter_of_their_pixels() -> None:
    engine = Fixed('street', {'Car': 1.0}, {'Sky': 1.0})
    street = load_taxonomy('street')
    mapping = load_mapping('carla_boxes', street)
    rgb = np.zeros((8, 16, 3), np.uint8)
    # All of the first, half of the second and an eighth of the third lie on the left.
    boxes = [Box(0, 0, 3, 7, 0), Box(4, 0, 11, 3, 0), Box(7, 4, 14, 7, 0), Box(0, 0, 1, 1, 2)]
    scores = evaluate_boxes(engine, [(rgb, boxes)], mapping)
    assert scores['vehicle'] == pytest.approx(2 / 3)
    assert scores['bike'] == 0
    assert scores[BOXES_FOUND] == pytest.approx(1 / 3)
    # 64 pixels are a car: 32 + 16 + 4 lie in a box of one; no pixel is a bike.
    assert scores[PIXELS_IN_BOXES] == pytest.approx(52 / 64 / 2)


# The page.


def some_results() -> list[Result]:
    """Return two seeds of the rows that the answers compare."""
    values = {
        'together': (0.50, 0.52),
        'heads': (0.40, 0.42),
        'alone_camvid': (0.30, 0.32),
        'alone_camvid_long': (0.60, 0.64),
        'alone_gtsdb': (0.10, 0.10),
        'alone_carla': (0.10, 0.10),
        'without_carla': (0.10, 0.20),
    }
    return [
        Result(
            name,
            seed + 1,
            {
                'camvid: mIoU': value,
                'camvid: Sky': 0.5 + value / 10,
                'camvid: Pole': 0.5,
                'gtsdb: sign recall': 0.9 if name == 'together' else 0.95 - 0.1 * seed,
                'carla: boxes found': value,
            },
            2.0 + seed,
        )
        for name, pair in values.items()
        for seed, value in enumerate(pair)
    ]


@pytest.fixture
def facts(base: TrainingConfig, configs: dict[str, TrainingConfig]) -> Facts:
    """Return what the page knows beside the scores."""
    rows = comparison_rows(base)
    return Facts(
        rows,
        NAMES,
        {name: exposure(config) for name, config in configs.items()},
        dict.fromkeys(configs, 1_000_000),
        {name: name for name in NAMES},
        'all images',
        'file.safetensors',
    )


def test_the_table_has_mean_and_spread_and_separate_networks(facts: Facts) -> None:
    lines = scores_table(some_results(), facts).splitlines()
    assert lines[0] == '| network | camvid: mIoU | gtsdb: sign recall | carla: boxes found |'
    # The sample standard deviation of 50 and 52 is sqrt(2).
    assert '| 51.0 ± 1.4 | 90.0 ± 0.0 | 51.0 ± 1.4 |' in lines[2]
    # Each dataset by its own network.
    assert lines[-1].startswith('| **separate networks, equal exposure** | 31.0 ± 1.4 | 90.0')
    assert len(lines) == 2 + 7 + 1


def test_costs_of_separate_networks_are_summed(facts: Facts) -> None:
    lines = costs_table(some_results(), facts).splitlines()
    assert '| 1 | 2000 | 8000 | 4000 | 2000 | 2000 | 1.00 | 2.5 |' in lines[2]
    assert '| 3 | 2000 | 8000 | 4000 | 2000 | 2000 | 3.00 | 7.5 |' in lines[-1]


def test_a_difference_counts_from_two_deviations_on() -> None:
    clear = difference('x', [0.5, 0.52], [0.4, 0.42])
    assert clear is not None
    assert clear.is_clear
    assert clear.text == 'x +10.0'
    chance = difference('x', [0.5, 0.52], [0.4, 0.6])
    assert chance is not None
    assert chance.text == 'x +1.0 (within chance)'
    single = difference('x', [0.5], [0.4, 0.6])
    assert single is not None
    assert single.is_clear is None
    assert difference('x', [], [0.4]) is None


def test_the_answers_follow_from_the_numbers(facts: Facts) -> None:
    text = answers(some_results(), facts)
    equal, cost, labels, *rest = text.split('\n\n')
    assert 'at equal exposure?** Better on 2 of 3 scores (camvid: mIoU +20.0, ' in equal
    assert 'no difference on 1 (gtsdb: sign recall ' in equal
    assert 'worse on 1 (camvid: mIoU -11.0)' in cost
    assert 'Gains: camvid: Sky +2.0. Losses: none.' in labels
    assert any('over "together: separate heads"?** Better on 2' in section for section in rest)
    assert any('8000 crops and trains for 2.5 minutes' in section for section in rest)
    assert any('Without carla: carla: boxes found 15.0 ± 7.1 (seen: 51.0' in one for one in rest)
    pair = [('together_taught', 0.6), ('alone_camvid_taught', 0.4)]
    taught = [Result(name, 1, {'camvid: mIoU': value}, 2.0) for name, value in pair]
    assert (
        'which the datasets alone have too?** Better on 1 of 1 scores '
        '(camvid: mIoU +20.0 (one seed)); worse on 0.'
    ) in answers([*some_results(), *taught], facts)
    assert '| alone with the teacher |' in labels_table([*some_results(), *taught], facts)
    missing = answers(some_results()[2:4], facts)
    assert missing.count('Not measured: one of the rows is missing.') >= 5


def test_single_labels_stand_beside_those_of_the_datasets_own_networks(facts: Facts) -> None:
    lines = labels_table(some_results(), facts).splitlines()
    assert lines[0] == '| label | alone, equal exposure | alone, equal cost | together | heads |'
    assert lines[2].startswith('| camvid: Sky | 53.1 ± 0.1 | 56.2 ± 0.3 | 55.1 ± 0.1 |')
    assert len(lines) == 4


def test_the_page_shows_an_image_with_bars(facts: Facts, tmp_path: Path) -> None:
    page = write_page(some_results(), facts, tmp_path)
    text = page.read_text()
    assert text.startswith('Mean and standard deviation over 2 seeds')
    assert 'the backbone starts from file.safetensors' in text
    image = cv2.imread(str(tmp_path / 'comparison.png'))
    for color in ((0xBB, 0x6F, 0x2A), (0x8A, 0x8A, 0x8A), (0x2B, 0x8A, 0xC9)):
        assert (image == color).all(2).sum() > 1000


def test_a_mapping_stands_in_place_of_the_datasets_own(tmp_path: Path) -> None:
    """Under the name by which the loader knows it; a dataset without its own is refused."""
    from hiseg_ros.training.config.experiment import DatasetConfig
    from hiseg_ros.training.data.data_module import _mapping

    tree = load_taxonomy('iv2018')
    config = DatasetConfig('camvid', 'x', 1, mapping='camvid_iv2018')
    found = _mapping('streets', config, tree)
    assert found.name == 'camvid'
    assert found.labels == load_mapping('camvid_iv2018', tree).labels
    with pytest.raises(ConfigError, match='expected it in the options'):
        _mapping('own', DatasetConfig('folder', 'x', 1, mapping='camvid'), tree)
