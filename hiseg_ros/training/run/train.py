# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run: data, trainer, checkpoints, final weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import (
    Callback,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from timm.layers.norm_act import convert_sync_batchnorm
from tqdm import tqdm

from hiseg_ros.allocator import TRAINING, keep_freed_memory
from hiseg_ros.errors import DeviceError
from hiseg_ros.model.backbone import IMAGENET
from hiseg_ros.model.checkpoint import save_checkpoint
from hiseg_ros.model.decoders.checks import check_package
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.adaptation.adversarial import CollapseError
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.data_module import MixedData, batch_sizes, batches_of_run
from hiseg_ros.training.distributed import check_divisible, launched_processes
from hiseg_ros.training.run.adapted import (
    check_processes,
    class_mapping,
    finish_adaptation,
    kept_before,
)
from hiseg_ros.training.run.callbacks import (
    RunFolderWriter,
    RunProgressBar,
    Speed,
    TimedCheckpoint,
    ValidationOverlays,
)
from hiseg_ros.training.run.checkpoint_files import AtomicCheckpoints, load_averaged, replace_file
from hiseg_ros.training.run.cpu_speedup import speed_up_depthwise
from hiseg_ros.training.run.error_messages import one_sentence_errors
from hiseg_ros.training.run.initial_weights import initial_card, initial_state
from hiseg_ros.training.run.module import SegmentationModule
from hiseg_ros.training.run.precision import chosen_precision, precision_advice
from hiseg_ros.training.run.run_folder import (
    SETTINGS,
    check_run_folder,
    last_checkpoint,
    merge_metrics,
    settings_text,
    tuples_as_lists,
)
from hiseg_ros.training.run.teacher import Teacher, start

CHECKPOINT_INTERVAL = timedelta(minutes=10)
"""Longest time between two checkpoints, where epochs are longer."""


def train(
    config: TrainingConfig,
    run_dir: Path,
    *,
    accelerator: str = 'auto',
    force_config: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a network, or resume the run in the same folder.

    A complete run with the same configuration is left unchanged. Started by torchrun or SLURM, all
    processes train one network together and the first one writes.

    Args:
        config: Settings of the run.
        run_dir: Gets config.yaml, environment.json, metrics.csv, checkpoints/, tensorboard/ and
            <name>.safetensors.
        accelerator: Lightning's name of the kind of device.
        force_config: Resume although the run was started with other settings.
        callbacks: Further ones, such as a `TimeLimit`; their state is part of checkpoints.

    Returns:
        The weights file.

    Raises:
        CheckpointError: The run folder's checkpoint is damaged or of another network, or the disk
            is full.
        DeviceError: There is no such accelerator.
        HisegError: The configuration, a dataset or the run folder cannot be used.
        KeyboardInterrupt: The user interrupted the run; the text says how to resume it.
    """
    check_package(config.network.decoder)
    if accelerator == 'gpu' and not torch.cuda.is_available():
        raise DeviceError("Accelerator 'gpu' was asked for; expected a CUDA device: use 'cpu'.")
    weights = run_dir / f'{config.name}.safetensors'
    settings = run_dir / SETTINGS
    if weights.is_file() and settings.is_file() and settings.read_text() == settings_text(config):
        return weights
    devices, machines = launched_processes()
    check_divisible(batch_sizes(config), devices * machines)
    check_processes(config, devices * machines)
    check_run_folder(run_dir, config, force_config)
    keep_freed_memory(TRAINING)
    # Devices are listed in environment.json; the rest is advice for programmers.
    logging.getLogger('lightning.pytorch').setLevel(logging.WARNING)
    if config.threads:
        torch.set_num_threads(config.threads)
    lightning.seed_everything(config.seed, verbose=False)
    taxonomy = load_taxonomy(config.taxonomy)
    last = last_checkpoint(run_dir)
    resumes = last.is_file()
    initial = (
        initial_state(config, taxonomy, run_dir)
        if config.initial_weights and not resumes
        else None
    )
    data = MixedData(config, taxonomy)
    teacher = Teacher.load(config, taxonomy)
    classes = class_mapping(config, data, taxonomy)
    module = SegmentationModule(
        config, taxonomy, data.table, data.validation_mapping, teacher, classes
    )
    if initial is not None:
        module.network.load_state_dict(initial)
    elif config.start and not resumes:
        tqdm.write(start(module.network, config, taxonomy))
    elif config.backbone_weights and not resumes:
        module.network.backbone.load_pretrained(config.backbone_weights)
    first_step = load_averaged(module, last) if resumes else 0
    is_on_cpu = accelerator == 'cpu' or not torch.cuda.is_available()
    if is_on_cpu:
        speed_up_depthwise(module.network)
    elif devices * machines > 1:
        # torch's own conversion drops the activation in timm's norm layers.
        module.network = convert_sync_batchnorm(module.network)  # type: ignore[no-untyped-call]
    speed = Speed()
    precision = chosen_precision(config.precision, accelerator)
    if advice := precision_advice(config.precision, accelerator):
        tqdm.write(advice)
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=machines,
        # Every loss reaches every weight, except the norms of datasets that join later.
        strategy=(
            DDPStrategy(find_unused_parameters=config.dataset_norm)
            if devices * machines > 1
            else 'auto'
        ),
        use_distributed_sampler=False,  # the loaders distribute the images
        max_epochs=-(-config.steps // config.steps_per_epoch),
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=config.validation_every_epochs if data.validation else None,
        limit_val_batches=None if data.validation else 0,
        num_sanity_val_steps=0,
        accumulate_grad_batches=config.accumulate_batches,
        gradient_clip_val=config.gradient_clip or None,
        precision=precision,
        log_every_n_steps=min(20, config.steps_per_epoch),
        callbacks=[
            RunFolderWriter(run_dir, config, first_step),
            ValidationOverlays(taxonomy),
            *_callbacks(config, run_dir, speed),
            *callbacks,
        ],
        logger=[
            # A folder for each start: the logger empties its folder.
            CSVLogger(run_dir, name='metrics', flush_logs_every_n_steps=20),
            # Steps that a killed run has logged are not drawn twice.
            TensorBoardLogger(
                run_dir, name='tensorboard', version='', purge_step=first_step or None
            ),
        ],
        plugins=_plugins(),
        default_root_dir=run_dir,
    )
    with one_sentence_errors(trainer, run_dir):
        collapse = None
        try:
            # Lightning's checkpoints are pickles: only tensors and plain values are loaded.
            trainer.fit(
                module, datamodule=data, ckpt_path=last if resumes else None, weights_only=True
            )
        except CollapseError as problem:
            collapse = kept_before(problem, last)
            tqdm.write(collapse)
        # The module has these weights already if an epoch was trained; if the run was complete,
        # only the file has the averaged weights.
        best = last.with_name('best.ckpt')
        chosen = best if config.final_weights == 'best' and best.is_file() else last
        load_averaged(module, chosen)
        adapted = finish_adaptation(module.network, config, data, collapse)
        if data.validation:  # scores of the written weights, for the model card
            trainer.validate(module, datamodule=data, verbose=False)
        if trainer.is_global_zero:
            card = {**_card(config, trainer, speed), **initial_card(config, run_dir), **adapted}
            # The weights of the run are written last: if they exist, the run is complete.
            for name, network in reversed(module.finished_networks().items()):
                write = partial(
                    save_checkpoint,
                    network=network,
                    taxonomy=taxonomy,
                    preprocessing=config.preprocessing,
                    card={**card, 'name': name},
                )
                replace_file(run_dir / f'{name}.safetensors', write)
            merge_metrics(run_dir)
    return weights


def _callbacks(config: TrainingConfig, run_dir: Path, speed: Speed) -> list[Callback]:
    callbacks: list[Callback] = [
        speed,
        RunProgressBar(speed, batches_of_run(config)),
        LearningRateMonitor('step'),
    ]
    if config.ema_decay:
        callbacks.append(
            EMAWeightAveraging(decay=config.ema_decay, update_starting_at_step=config.warmup_steps)
        )
    folder = last_checkpoint(run_dir).parent
    # The file is written at the end of an epoch, and in long epochs also in between.
    for reason in ({'every_n_epochs': 1}, {'train_time_interval': CHECKPOINT_INTERVAL}):
        callbacks.append(
            TimedCheckpoint(
                folder,
                filename='last',
                save_top_k=1,
                enable_version_counter=False,
                save_on_train_epoch_end='every_n_epochs' in reason,
                **reason,
            )
        )
    if config.validation_set:
        callbacks.append(
            ModelCheckpoint(
                folder,
                filename='best',
                monitor='val_miou',
                mode='max',
                save_top_k=1,
                enable_version_counter=False,
                save_on_train_epoch_end=False,
            )
        )
    return callbacks


def _plugins() -> list[Any]:
    plugins: list[Any] = [AtomicCheckpoints()]
    if SLURMEnvironment.detect():
        # A checkpoint at a signal would be written in the middle of a step; the last one at the
        # end of a step is at most CHECKPOINT_INTERVAL old.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    return plugins


def _card(config: TrainingConfig, trainer: lightning.Trainer, speed: Speed) -> dict[str, Any]:
    scores = {
        name: round(float(value), 4)
        for name, value in trainer.callback_metrics.items()
        if name.startswith('val_')
    }
    return {
        'name': config.name,
        'recipe': config.recipe,
        'training_sets': [
            {
                'name': name,
                'kind': item.kind,
                'options': tuples_as_lists(item.options),
                'licence': config.licences.get(name, 'not stated'),
                **_second_labels_card(item),
            }
            for name, item in config.datasets.items()
        ],
        'scores': scores,
        'training': speed.card(),
        **_backbone_card(config),
        **_class_weights_card(config),
    }


def _second_labels_card(config: DatasetConfig) -> dict[str, Any]:
    """Return the entry of second labels in the model card, without their folder."""
    second = config.second_labels
    if second is None:
        return {}
    return {'second_labels': {'mapping': second.mapping, 'source': second.source or 'not stated'}}


def _backbone_card(config: TrainingConfig) -> dict[str, Any]:
    """Return the entry of backbone weights in the model card, without their folder."""
    if not config.backbone_weights:
        return {}
    return {
        'backbone_weights': {
            'name': f'{config.network.backbone}: {Path(config.backbone_weights).name}',
            'licence': config.licences.get(IMAGENET, 'not stated'),
        }
    }


def _class_weights_card(config: TrainingConfig) -> dict[str, Any]:
    """Return which weights of other authors the run starts from and learns from."""
    licence = config.licences.get('start', 'not stated')
    return {
        key: {'name': Path(used.weights).name, 'mapping': used.mapping, 'licence': licence}
        for key, used in (('start', config.start), ('teacher', config.teacher))
        if used is not None
    }
