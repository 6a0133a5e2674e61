# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders by name: shapes, gradients, single images, and what each is known for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.backbone import TimmBackbone
from hiseg_ros.model.decoders import checks
from hiseg_ros.model.decoders.build import build_decoder, decoded
from hiseg_ros.model.decoders.gscnn import Gate, GscnnDecoder
from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.decoders.parsenet import ParseNetDecoder, ScaledNorm
from hiseg_ros.model.decoders.pixelnet import PixelNetDecoder
from hiseg_ros.model.decoders.pooling import BinPooling
from hiseg_ros.model.decoders.registry import DECODERS, UPSAMPLINGS
from hiseg_ros.model.decoders.upsampling import Upsampling, unpool

STRIDE_OUT = {
    'projection': None,
    'summed': 8,
    'summed_detail': 8,
    'fcn32': 32,
    'fcn16': 16,
    'fcn8': 8,
    'pspnet': None,
    'deeplabv3': None,
    'parsenet': 8,
}
"""Stride of the output: None for the backbone's last; 4 for those that are not here."""

PYRAMIDS = (((8, 12, 16, 24), (4, 8, 16, 32)), ((6, 10, 24, 40), (4, 8, 16, 16)))
"""Channels and strides of two backbones, one of them dilated."""

VGG = (((8, 12, 16, 16), (4, 8, 16, 32)), ((16, 32, 32, 32), (4, 8, 16, 32)))

SIZES = ((64, 96), (128, 64))


def needs_of(name: str) -> Any:
    """Return a parameter with the mark of what the decoder needs."""
    marks = [pytest.mark.needs('networks')] if DECODERS[name].package else []
    return pytest.param(name, marks=marks)


EVERY = [needs_of(name) for name in DECODERS]


def pyramids_of(name: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the backbones that a decoder can have, as channels and strides."""
    entry = DECODERS[name]
    return [
        (channels, strides)
        for channels, strides in (VGG if entry.backbones else PYRAMIDS)
        if strides[-1] in entry.output_strides
    ]


def built(name: str, channels: tuple[int, ...], strides: tuple[int, ...], **options: Any) -> Any:
    """Return a decoder of 96 channels, which all of them can have, narrow inside."""
    torch.manual_seed(0)
    values = dict(options)
    for key, value in (('width', 32), ('rates', (1, 2, 3))):
        if key in DECODERS[name].options:
            values.setdefault(key, value)
    return build_decoder(name, channels, strides, 96, values)


def pyramid(
    channels: tuple[int, ...], strides: tuple[int, ...], size: tuple[int, int], count: int = 1
) -> Any:
    """Return a backbone that gives random features, and images of a size."""
    features = [
        torch.randn(count, width, size[0] // stride, size[1] // stride)
        for width, stride in zip(channels, strides, strict=True)
    ]
    return lambda images: features, torch.randn(count, 3, *size)


@pytest.mark.parametrize('name', EVERY)
def test_every_decoder_gives_its_channels_on_its_stride(name: str) -> None:
    """On two backbones and two sizes, those that it can have."""
    assert pyramids_of(name)
    for channels, strides in pyramids_of(name):
        decoder = built(name, channels, strides).eval()
        stride = STRIDE_OUT.get(name, 4)
        assert decoder.stride == (strides[-1] if stride is None else stride)
        for size in SIZES:
            backbone, images = pyramid(channels, strides, size, 2)
            with torch.inference_mode():
                found = decoded(backbone, decoder, images)
            assert found.shape == (2, 96, *(side // decoder.stride for side in size))


@pytest.mark.parametrize('name', EVERY)
def test_one_image_trains_every_parameter(name: str) -> None:
    """Nothing is built that the output does not depend on, and no norm is over one value."""
    channels, strides = pyramids_of(name)[0]
    decoder = built(name, channels, strides).train()
    backbone, images = pyramid(channels, strides, SIZES[0])
    decoded(backbone, decoder, images).square().mean().backward()
    assert [key for key, value in decoder.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in decoder.parameters())


class Learner(torch.nn.Module):
    """A tiny backbone, a decoder, and one convolution to four classes."""

    def __init__(self, name: str, upsampling: str = '') -> None:
        super().__init__()
        channels, strides = pyramids_of(name)[0]
        layers, before = [], 3
        for width, ratio in zip(channels, (4, 2, 2, strides[-1] // 16), strict=True):
            pooled = DECODERS[name].backbones and width == before
            convolution = torch.nn.Conv2d(before, width, ratio, ratio)
            layers.append(torch.nn.MaxPool2d(2) if pooled else convolution)
            before = width
        self.layers = torch.nn.ModuleList(layers)
        options = {'upsampling': upsampling} if upsampling else {}
        self.decoder = built(name, channels, strides, **options)
        self.classes = torch.nn.Conv2d(96, 4, 1)

    def backbone(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return features of all strides."""
        features = [images]
        for layer in self.layers:
            features.append(layer(features[-1]).relu())
        return features[1:]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the pixels."""
        logits = self.classes(decoded(self.backbone, self.decoder, images))
        return resize(logits, images.shape[-2:])


@pytest.mark.parametrize('name', [*EVERY, 'fusion nearest', 'fusion transposed', 'fusion unpool'])
def test_two_images_are_learnt(name: str) -> None:
    """More than 95 % of the pixels within 100 steps: quadrants of noisy colours."""
    torch.manual_seed(0)
    learner = Learner(*name.split())
    quadrants = torch.tensor([[[0, 1], [2, 3]], [[3, 0], [1, 2]]])
    targets = quadrants.repeat_interleave(64, 1).repeat_interleave(64, 2)
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    images = colours[targets].permute(0, 3, 1, 2) + 0.3 * torch.randn(2, 3, 128, 128)
    optimizer = torch.optim.AdamW(learner.parameters(), 3e-3)
    for _ in range(100):
        logits = learner(images)
        if (logits.argmax(1) == targets).float().mean() > 0.97:
            break
        optimizer.zero_grad()
        F.cross_entropy(logits, targets).backward()
        optimizer.step()
    with torch.no_grad():
        assert (learner(images).argmax(1) == targets).float().mean() > 0.95


@pytest.mark.parametrize('kind', UPSAMPLINGS)
def test_every_kind_of_upsampling_trains_the_fusion_decoder(kind: str) -> None:
    """Also on a dilated backbone, where the last step has nothing to do."""
    for channels, strides in PYRAMIDS:
        decoder = built('fusion', channels, strides, upsampling=kind)
        backbone, images = pyramid(channels, strides, SIZES[0])
        decoded(backbone, decoder, images).square().mean().backward()
        assert [key for key, value in decoder.named_parameters() if value.grad is None] == []
        steps = [key for key in decoder.state_dict() if key.startswith('upsamplings')]
        count = sum(fine < coarse for fine, coarse in zip(strides[:-1], strides[1:], strict=True))
        assert len(steps) == (count if kind == 'transposed' else 0)


def test_unpooling_puts_each_value_at_its_index() -> None:
    """By hand: four values where the finer map is largest in its 2x2 cells."""
    fine = torch.tensor(
        [[1.0, 9, 2, 3], [4, 5, 8, 6], [7, 1, 0, 1], [2, 3, 4, 9]], requires_grad=True
    )
    found = unpool(torch.tensor([[10.0, 20], [30, 40]])[None, None], fine[None, None])[0, 0]
    expected = torch.tensor([[0.0, 10, 0, 0], [0, 0, 20, 0], [30, 0, 0, 0], [0, 0, 0, 40]])
    assert torch.equal(found, expected)


def test_a_transposed_convolution_begins_as_bilinear_interpolation() -> None:
    """Inside the border, where it sees no padding."""
    coarse, fine = torch.randn(2, 3, 6, 8), torch.zeros(2, 1, 12, 16)
    found = Upsampling('transposed', 3, 2)(coarse, fine)
    expected = resize(coarse, (12, 16))
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_fcn8_with_zero_fine_scores_is_fcn32_upsampled_twice() -> None:
    """What the finer features add is all that is between them."""
    channels, strides = PYRAMIDS[0]
    coarse = built('fcn32', channels, strides).eval()
    fine = built('fcn8', channels, strides).eval()
    fine.load_state_dict(coarse.state_dict(), strict=False)
    for lateral in fine.laterals:
        torch.nn.init.zeros_(lateral.weight)
        torch.nn.init.zeros_(lateral.bias)
    backbone, images = pyramid(channels, strides, SIZES[0])
    with torch.inference_mode():
        expected = resize(decoded(backbone, coarse, images), (4, 6))
        expected = resize(expected, (8, 12))
        assert torch.equal(decoded(backbone, fine, images), expected)


def test_segnet_has_the_indices_of_its_encoders_poolings() -> None:
    """Timm's VGG gives the features before each pooling: the last ones are the pooled before."""
    backbone = TimmBackbone('vgg11_bn').eval()
    with torch.inference_mode():
        features = backbone(torch.randn(1, 3, 32, 64))
    assert backbone.strides == (4, 8, 16, 32)
    assert torch.equal(F.max_pool2d(features[2], 2), features[3])


def test_segnet_gets_no_values_of_finer_features() -> None:
    """Only where they are largest: scaled features give the same map."""
    channels, strides = VGG[0]
    decoder = built('segnet', channels, strides).eval()
    backbone, images = pyramid(channels, strides, SIZES[0])
    features = backbone(images)
    scaled = [*(3 * feature for feature in features[:-1]), features[-1]]
    with torch.inference_mode():
        assert torch.equal(decoder(features), decoder(scaled))


def test_parsenet_with_and_without_norm_differ_only_by_the_flag() -> None:
    """The factors of the norm are the only further parameters."""
    channels, strides = PYRAMIDS[0]
    one, other = (
        built('parsenet', channels, strides, normalise=normalise).eval()
        for normalise in (True, False)
    )
    shapes = {key: value.shape for key, value in other.state_dict().items()}
    more = {key: value.shape for key, value in one.state_dict().items()}
    assert set(more) - set(shapes) == {f'norms.{index}.scale' for index in range(3)}
    assert {key: more[key] for key in shapes} == shapes
    assert isinstance(one, ParseNetDecoder) and isinstance(one.norms[0], ScaledNorm)
    features = torch.randn(1, 96, 4, 4)
    torch.testing.assert_close(one.norms[0](100 * features), one.norms[0](features))
    lengths = one.norms[0](features).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((1, 4, 4), 10.0))
    other.load_state_dict(one.state_dict(), strict=False)
    for norm in one.norms:
        norm.forward = lambda whole: whole  # type: ignore[method-assign]
    backbone, images = pyramid(channels, strides, SIZES[0])
    with torch.inference_mode():
        assert torch.equal(decoded(backbone, one, images), decoded(backbone, other, images))


def test_a_gate_of_gscnn_is_between_0_and_1() -> None:
    """It scales the stream by 1 to 2."""
    gate = Gate(8).eval()
    alpha = gate.alpha(5 * torch.randn(2, 8, 9, 7), 5 * torch.randn(2, 1, 9, 7))
    assert alpha.shape == (2, 1, 9, 7)
    assert 0 < alpha.min() < alpha.max() < 1


def test_gscnn_sees_the_edges_of_the_image() -> None:
    """A step of brightness is found in its column of cells, and nowhere else."""
    channels, strides = PYRAMIDS[1]
    decoder = built('gscnn', channels, strides)
    assert isinstance(decoder, GscnnDecoder)
    images = torch.zeros(1, 3, 32, 64)
    images[..., 34:] = 1
    found = decoder.image_edges(images)[0, 0]
    assert found.shape == (8, 16)
    assert (found[:, 8] > 0.1).all()
    found[:, 8] = 0
    assert found.max() < 0.01


@pytest.mark.parametrize('stride', [4, 2, 1])
def test_pixelnet_reads_at_cell_centres_what_it_computes_for_the_grid(stride: int) -> None:
    """Dense and sampled are the same function, on every grid and with the same parameters."""
    channels, strides = PYRAMIDS[0]
    decoder = PixelNetDecoder(channels, strides, 96, width=32, stride=stride).eval()
    decoder.load_state_dict(built('pixelnet', channels, strides).state_dict())
    assert decoder.stride == stride
    backbone, images = pyramid(channels, strides, SIZES[0], 2)
    # In doubles, where rounding is far below the bound.
    decoder, features = decoder.double(), [level.double() for level in backbone(images)]
    height, width = (side // stride for side in SIZES[0])
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    columns, rows = columns.double(), rows.double()
    centres = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    places = centres.reshape(1, -1, 2).expand(2, -1, 2)
    with torch.inference_mode():
        dense, sampled = decoder(features), decoder.at_places(features, places)
    assert sampled.shape == (2, 96, 1, height * width)
    torch.testing.assert_close(sampled.reshape(dense.shape), dense, rtol=1e-6, atol=1e-6)


def test_half_precision_does_not_move_a_point() -> None:
    """Under autocast a place is read where it is: bfloat16 would round it to the next pixel."""
    channels, strides = PYRAMIDS[0]
    decoder = built('pixelnet', channels, strides)
    size = (512, 512)
    columns = torch.linspace(-1, 1, size[1] // 4).expand(1, 8, size[0] // 4, -1)
    features = pyramid(channels, strides, size)[0](None)
    features[0] = 4 * columns
    places = torch.rand(1, 200, 2) * 1.9 - 0.95
    with torch.inference_mode():
        expected = decoder.at_places(features, places)
        with torch.autocast('cpu', torch.bfloat16):
            found = decoder.at_places([feature.bfloat16() for feature in features], places)
    assert (found - expected).abs().mean() < 0.01 * expected.abs().mean()


def test_bins_are_torchs_adaptive_pooling() -> None:
    """Sizes that are multiples of the number of bins, others, and smaller ones."""
    for bins in (1, 2, 3, 6):
        for size in ((6, 12), (16, 20), (7, 11), (2, 3)):
            features = torch.randn(2, 5, *size, dtype=torch.float64)
            expected = F.adaptive_avg_pool2d(features, bins)
            torch.testing.assert_close(BinPooling(bins)(features), expected)


@pytest.mark.needs('networks')
@pytest.mark.parametrize('name', [needs_of('deeplabv3'), needs_of('deeplabv3plus'), 'gscnn'])
def test_large_features_leave_the_branches_of_the_pyramid_their_weight(name: str) -> None:
    """The average of the whole image does not drown the others on a backbone of large features."""
    channels, strides = PYRAMIDS[1]
    decoder = built(name, channels, strides).train()
    for layer in decoder.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    backbone, images = pyramid(channels, strides, SIZES[0], 2)
    *fine, last = backbone(images)
    with torch.no_grad():
        before = decoded(lambda _: [*fine, last + 1.0], decoder, images)
        after = decoded(lambda _: [*fine, 1000.0 * (last + 1.0)], decoder, images)
    torch.testing.assert_close(after, before, rtol=0.0, atol=0.02)


def test_the_library_is_imported_in_one_file_and_asked_for_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it, a decoder of it says which extra to install."""
    monkeypatch.setattr(checks, 'find_spec', lambda name: None)
    channels, strides = PYRAMIDS[0]
    built('fcn8', channels, strides)
    with pytest.raises(ConfigError, match=r"'unet' needs .*hiseg_ros\[networks\]"):
        built('unet', channels, strides)


@pytest.mark.needs('networks')
@pytest.mark.parametrize(
    ('name', 'channels', 'words'),
    [
        ('fpn', (8, 12, 16, 24), 'channels is 48 .*multiple of 32'),
        ('unet', (8, 12, 16), r'strides \[4, 8, 16\]; expected 4 from 4 on'),
        ('segnet', (8, 12, 16, 24), 'expected as many in the last two'),
    ],
)
def test_features_that_do_not_fit_are_refused(
    name: str, channels: tuple[int, ...], words: str
) -> None:
    """In one sentence, before a network is trained."""
    with pytest.raises(ConfigError, match=words):
        build_decoder(name, channels, (4, 8, 16, 32)[: len(channels)], 48)
