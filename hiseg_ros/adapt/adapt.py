# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The steps of an adaptation: choose frames, measure, train, measure again, decide, write."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from tqdm import tqdm

from hiseg_ros.adapt.budget import Budget, plan_steps
from hiseg_ros.adapt.card import adapted_card, card_page
from hiseg_ros.adapt.checks import Check, HeldFrame, check_target, kept_share, source_score
from hiseg_ros.adapt.common_scale import size_to_learn_at
from hiseg_ros.adapt.frames import (
    LEAST_FRAMES,
    LEAST_HELD_BACK,
    Choice,
    choose_frames,
    step_of,
)
from hiseg_ros.adapt.page import PageContent, write_page
from hiseg_ros.adapt.pseudo_labels import ViewTeacher, label_in_time, write_mapping
from hiseg_ros.adapt.recipe import NAME, Place, training_config
from hiseg_ros.adapt.source_set import DRAWN, SourceSet
from hiseg_ros.adapt.verdict import objections
from hiseg_ros.adapt.work_folder import WorkFolder
from hiseg_ros.datasets.opening import open_dataset
from hiseg_ros.errors import ConfigError, HisegError, TaxonomyError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.torch_device import find_device
from hiseg_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hiseg_ros.output_files import locked_folder, output_folder
from hiseg_ros.resources import cache_folder
from hiseg_ros.retrieval.features import FeatureNetwork, Kind
from hiseg_ros.retrieval.sources import Source
from hiseg_ros.taxonomy import Taxonomy, dump_taxonomy, load_taxonomy
from hiseg_ros.taxonomy.mirror import load_mirror_images
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.target_images import Digest, check_digests_differ
from hiseg_ros.training.run.checkpoint_files import replace_file
from hiseg_ros.training.run.precision import chosen_precision, has_bfloat16
from hiseg_ros.training.run.run_folder import last_checkpoint
from hiseg_ros.training.run.time_limit import TimeLimit
from hiseg_ros.training.run.train import train
from hiseg_ros.types import ImageSize, LabelImage

_Sample = TypeVar('_Sample')

BEFORE, AFTER, LABELS = 'before', 'after', 'labels.json'
PLAN, CHECK_TIME = 'plan.json', 'check_time.json'
"""Parts of the folder of an adaptation."""

LABELLING_SHARE = 0.4
"""Largest share of the time for pseudo labels; images that have none by then are not used."""

MIRROR_IMAGES = 'traffic_signs'


@dataclass(frozen=True)
class Request:
    """What is adapted to what."""

    recordings: Sequence[Source]
    """Bags and folders of images of the target."""
    model: Path
    """Weights to start from."""
    output: Path
    """Weights file to write."""
    source: SourceSet
    """Labelled images to keep hold of."""
    minutes: float = 60.0
    """Time for everything together."""
    frames: int = 200
    """Most frames to learn from."""
    device: str = 'auto'
    """'auto', 'cpu' or 'cuda'."""
    seed: int = 1
    cache: Path | None = None
    """Where features of frames are kept; None for that of `hiseg retrieve`."""

    @property
    def work(self) -> Path:
        """Folder of the parts that are finished."""
        return self.output.with_suffix('.adapt')

    @property
    def refused(self) -> Path:
        """File of adapted weights that are worse than the old ones."""
        return self.output.with_suffix('.refused.safetensors')


@dataclass(frozen=True)
class Outcome:
    """What came of an adaptation."""

    objections: tuple[str, ...]
    """Why the weights were refused; none where they were accepted."""
    before: Check
    after: Check
    weights: Path
    """The adapted weights."""
    card: Path
    page: Path


@dataclass(frozen=True)
class _Parts:
    """What the steps found."""

    checkpoint: Checkpoint
    work: WorkFolder
    held: Sequence[HeldFrame]
    before: Check
    after: Check
    facts: dict[str, Any]


def adapt(request: Request, say: Callable[[str], object] = lambda text: None) -> Outcome:
    """Adapt weights to recordings without labels, or go on with an adaptation that was stopped.

    Where the adapted weights are worse than the old ones, `output` holds the old ones, unchanged,
    and the adapted ones lie beside it.

    Args:
        request: What is adapted to what.
        say: Called with a sentence on what was found.

    Raises:
        BagError: A bag is damaged.
        CheckpointError: The weights cannot be used, or a file cannot be written.
        ConfigError: There are too few frames, or too little time; the weights to start from would
            be written over; or another process is at work on the same output.
        DatasetError: The frames are images of the source.
        HisegError: Another input cannot be used.
        KeyboardInterrupt: The user interrupted; the same command goes on.
    """
    start_s = time.monotonic()
    _check_files(request)
    checkpoint = load_checkpoint(request.model)
    request.source.mapping(checkpoint.taxonomy)  # what does not fit is said before the work
    _check_domains(request)
    with locked_folder(output_folder(request.work)):
        return _adapted(request, checkpoint, start_s, say)


def _adapted(
    request: Request, checkpoint: Checkpoint, start_s: float, say: Callable[[str], object]
) -> Outcome:
    """Take all steps, or those that an earlier start has left."""
    work = WorkFolder(request.work, _settings(request))
    frames = work.keep_frames(
        request.recordings, lambda: _choice(request), lambda own: _check_frames(request, own)
    )
    for note in frames['notes']:
        say(note)
    say(
        f'{frames["learnt"]} of {frames["looked_at"]} images to learn from, '
        f'{len(frames["held_back"])} held back to check on'
    )
    held = work.held_frames(frames)
    before = Check.from_json(
        work.once(f'{BEFORE}.json', lambda: _checked(request, request.model, work, held, BEFORE))
    )
    check_s = float(work.once(CHECK_TIME, dict).get('seconds', 0.0))
    budget = Budget(request.minutes * 60, start_s, check_s)
    size = held[0].rgb.shape[0], held[0].rgb.shape[1]
    labelled = work.once(LABELS, lambda: _labelled(request, checkpoint, work, budget, size))
    say(f'{labelled["images"]} of them labelled by the old weights')
    place = Place(
        request.model.resolve(),
        work.target.resolve(),
        work.mapping.resolve(),
        _taxonomy_file(checkpoint.taxonomy, work),
        size,
        _source_size(request.source),
        _has_mirror_images(checkpoint.taxonomy),
    )
    accelerator = _accelerator(request.device)
    precision = chosen_precision('auto', accelerator)

    def config_of(steps: int) -> TrainingConfig:
        return training_config(
            checkpoint, request.source, place, steps, seed=request.seed, precision=precision
        )

    plan = work.once(PLAN, lambda: plan_steps(config_of, work.path / 'pace', budget, accelerator))
    if plan['minutes'] != request.minutes:
        say(f'the steps that an earlier start planned for {plan["minutes"]:g} minutes stay')
    say(f'{plan["steps"]} steps, about {plan["steps"] * plan["seconds_per_step"] / 60:.0f} min')
    weights = train(
        config_of(plan['steps']),
        work.run,
        accelerator=accelerator,
        callbacks=[TimeLimit(plan['seconds'])],
    )
    after = Check.from_json(
        work.once(f'{AFTER}.json', lambda: _checked(request, weights, work, held, AFTER))
    )
    facts = {
        'name': request.output.stem,
        'from': request.model.name,
        'recordings': [source.path.name for source in request.recordings],
        'learnt': frames['learnt'],
        'held_back': len(held),
        'steps': _steps_done(work),
        'source': 'drawn scenes' if request.source.kind == DRAWN else request.source.kind,
    }
    return _written(request, _Parts(checkpoint, work, held, before, after, facts))


def _check_files(request: Request) -> None:
    """Check that no file that is written or removed is that of the old weights.

    Raises:
        ConfigError: One is.
    """
    for path in (request.output, request.refused):
        if path.resolve() == request.model.resolve():
            raise ConfigError(
                f'With --output {request.output} the file {path} is written or removed, and it is '
                'also the --model; expected another --output, so that the old weights stay.'
            )


def _check_domains(request: Request) -> None:
    """Check that the target is not the source.

    Raises:
        ConfigError: It is.
    """
    root = Path(request.source.root).resolve()
    if any(recording.path.resolve() == root for recording in request.recordings):
        raise ConfigError(
            f'{root} is the source and also the target; expected two domains: name recordings of '
            'another place, or leave out --source.'
        )


def _check_frames(request: Request, own: Set[Digest]) -> None:
    """Check that the frames to learn from are not images of the source, wherever these lie.

    Scenes that this package draws are nobody's recording.

    Raises:
        DatasetError: Half of them or more are.
    """
    source = request.source
    if source.kind == DRAWN:
        return
    target = ', '.join(str(recording.path) for recording in request.recordings)
    for options in (source.learnt, source.checked):
        dataset = open_dataset(source.kind, source.root, options)
        check_digests_differ(target, own, source.kind, dataset)


def _settings(request: Request) -> dict[str, Any]:
    """Return what decides about the result."""
    digest = hashlib.sha256(request.model.read_bytes()).hexdigest()
    identity = '\n'.join(source.identity for source in request.recordings)
    return {
        'recordings': [str(source.path.resolve()) for source in request.recordings],
        'files': hashlib.sha256(identity.encode()).hexdigest(),
        'model': digest,
        'source': request.source.as_json(),
        'frames': request.frames,
        'seed': request.seed,
    }


def _choice(request: Request) -> Choice:
    network = FeatureNetwork(request.model, Kind.BACKBONE, request.device)
    every = step_of(request.recordings)
    total = sum(-(-source.count // every) for source in request.recordings)
    cache = request.cache or cache_folder() / 'retrieval'
    with tqdm(total=total, unit='image', desc='looking at images', dynamic_ncols=True) as bar:
        return choose_frames(request.recordings, network, cache, request.frames, bar.update)


def _checked(
    request: Request, model: Path, work: WorkFolder, held: Sequence[HeldFrame], name: str
) -> dict[str, Any]:
    """Return the figures of weights, and keep their answers on the held-back frames."""
    start_s = time.monotonic()
    engine = Engine(model, device=request.device)
    with tqdm(
        total=len(held) + request.source.most,
        unit='image',
        desc=f'measuring {name}',
        dynamic_ncols=True,
    ) as bar:
        answers, figures = check_target(engine, held, bar.update)
        samples = (_counted(sample, bar) for sample in request.source.samples())
        mapping = request.source.mapping(engine.taxonomy)
        score = source_score(engine, samples, mapping)
        images = int(bar.n) - len(held)
    work.keep_answers(name, answers)
    kept = None
    if name == AFTER:
        kept = kept_share(work.answers(BEFORE, len(held)), answers)
    else:
        work.write(CHECK_TIME, {'seconds': time.monotonic() - start_s})
    return Check(**figures, source=score, source_images=images, kept=kept).as_json()


def _counted(sample: _Sample, bar: Any) -> _Sample:
    bar.update()
    return sample


def _labelled(
    request: Request, checkpoint: Checkpoint, work: WorkFolder, budget: Budget, size: ImageSize
) -> dict[str, Any]:
    """Write the pseudo labels of the frames to learn from, in a part of the time.

    Those of another size are resized, so that the scales of the run, which are those of images of
    this size, suit all.
    """
    teacher = ViewTeacher(
        checkpoint, find_device(request.device), has_bfloat16(_accelerator(request.device))
    )
    replace_file(work.mapping, lambda partial: write_mapping(partial, checkpoint.taxonomy))
    images = work.frames()
    end_s = time.monotonic() + LABELLING_SHARE * budget.left_s
    with tqdm(total=len(images), unit='image', desc='pseudo labels', dynamic_ncols=True) as bar:

        def write(image: Path, labels: LabelImage) -> None:
            own = labels.shape[0], labels.shape[1]
            common = size_to_learn_at(own, size, checkpoint.preprocessing)
            work.write_labels(image, labels, common)
            bar.update()

        # Those that an earlier start has labelled are not labelled again.
        rest = [image for image in images if not work.is_labelled(image)]
        bar.update(len(images) - len(rest))
        least = LEAST_FRAMES - LEAST_HELD_BACK - (len(images) - len(rest))
        done = label_in_time(teacher, rest, work.read_image, write, end_s, least)
    return {'images': len(images) - len(rest) + len(done)}


def _has_mirror_images(taxonomy: Taxonomy) -> bool:
    """Return whether it is known what becomes of labels in a mirror."""
    try:
        load_mirror_images(MIRROR_IMAGES, taxonomy)
    except HisegError:
        return False
    return True


def _steps_done(work: WorkFolder) -> int:
    """Return the steps that were trained: fewer than planned where the time was over before."""
    last = torch.load(last_checkpoint(work.run), map_location='cpu', weights_only=True)
    return int(last['global_step'])


def _source_size(source: SourceSet) -> ImageSize:
    """Return (H, W) of the source's first image."""
    image = next(iter(source.samples()))[0]
    return image.shape[0], image.shape[1]


def _taxonomy_file(taxonomy: Taxonomy, work: WorkFolder) -> str:
    """Return the name of a tree that is in config/taxonomies, or the path of its copy."""
    try:
        if load_taxonomy(taxonomy.name).digest == taxonomy.digest:
            return taxonomy.name
    except TaxonomyError:
        pass
    path = work.path / 'taxonomy.yaml'
    text = yaml.safe_dump(dump_taxonomy(taxonomy), sort_keys=False, allow_unicode=True)
    replace_file(path, lambda partial: partial.write_text(text, 'utf-8'))
    return str(path.resolve())


def _accelerator(device: str) -> str:
    """Return Lightning's name of the kind of device."""
    return {'auto': 'auto', 'cpu': 'cpu'}.get(device, 'gpu')


def _written(request: Request, parts: _Parts) -> Outcome:
    """Decide, and write weights, card and page."""
    found = objections(parts.before, parts.after)
    work, frames = parts.work, parts.held
    adapted = load_checkpoint(work.run / f'{NAME}.safetensors')
    card = adapted_card(
        parts.checkpoint.card, adapted.card, parts.facts, parts.before, parts.after
    )
    weights = request.refused if found else request.output
    replace_file(
        weights,
        lambda partial: save_checkpoint(
            partial, adapted.build(), adapted.taxonomy, adapted.preprocessing, card
        ),
    )
    if found:
        old = request.model.read_bytes()
        replace_file(request.output, lambda partial: partial.write_bytes(old))
    elif request.refused.is_file():
        request.refused.unlink()
    content = PageContent(
        card,
        tuple(found),
        parts.before,
        parts.after,
        frames,
        work.answers(BEFORE, len(frames)),
        work.answers(AFTER, len(frames)),
        adapted.taxonomy,
    )
    page, text = request.output.with_suffix('.html'), request.output.with_suffix('.md')
    replace_file(page, lambda partial: write_page(partial, content))
    replace_file(text, lambda partial: partial.write_text(card_page(card, found), 'utf-8'))
    return Outcome(tuple(found), parts.before, parts.after, weights, text, page)
