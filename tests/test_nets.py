"""Networks of our own: what the papers say, and what their tables claim."""

from __future__ import annotations

from typing import Any

import pytest
from command import dashmask
from trained_nets import one_thread as one_thread

from engines.nets import NETS, build_net
from pipeline.errors import ConfigError

torch = pytest.importorskip("torch", reason="networks are built in torch: install dashmask[train]")
nn = torch.nn

CLASSES = 11
PARAMETERS = {"roadnet": 561_568, "enet": 363_098, "enet-encoder": 338_938, "unet": 1_942_747, "fcn": 1_608_849}


def of_kind(net: Any, kind: Any) -> list[Any]:
    return [module for module in net.modules() if isinstance(module, kind)]


@pytest.mark.parametrize("name", NETS)
def test_every_network_gives_logits_at_the_size_of_its_input(name: str) -> None:
    net = build_net(name, CLASSES).eval()
    for rows, columns in ((2, 3), (5, 4)):
        with torch.no_grad():
            logits = net(torch.rand(1, 3, rows * net.stride, columns * net.stride))
        assert logits.shape == (1, CLASSES, rows * net.stride, columns * net.stride)
        assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "options"), [("unet", {"width": 8}), ("fcn", {"width": 16}), ("enet", {})])
def test_a_network_is_rebuilt_from_its_name_and_options(name: str, options: dict[str, int]) -> None:
    net = build_net(name, 5, **options)
    again = build_net(net.name, net.classes, **net.options)
    again.load_state_dict(net.state_dict())
    assert net.options == options


@pytest.mark.parametrize(
    ("name", "classes", "options", "said"),
    [
        ("e-net", 11, {}, "did you mean enet"),
        ("enet", 0, {}, "expected 1 to 255"),
        ("unet", 11, {"wdith": 8}, "its options are width"),
        ("enet", 11, {"width": 8}, "it has none"),
        ("unet", 11, {"width": "8"}, "expected such as 16"),
        ("unet", 11, {"width": 0}, "expected such as 16"),
    ],
)
def test_a_mistake_is_one_sentence(name: str, classes: int, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_net(name, classes, **options)


@pytest.mark.parametrize("name", NETS)
def test_the_table_states_parameters_and_operations_that_torch_counts_too(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from engines.nets.cost import cost

    net = build_net(name, CLASSES).eval()
    size_hw = (2 * net.stride, 3 * net.stride)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.rand(1, 3, *size_hw))
    price = cost(net, size_hw)
    assert 2 * price.macs == counter.get_total_flops()
    assert price.parameters == PARAMETERS[name]


def test_operations_of_a_size_between_two_that_the_network_takes_go_by_area() -> None:
    from engines.nets.cost import cost

    net = build_net("roadnet", CLASSES)
    assert cost(net, (360, 640)).macs == pytest.approx(cost(net, (368, 640)).macs * 360 / 368, rel=1e-6)


def test_the_road_network_keeps_to_its_budget() -> None:
    from engines.nets.cost import cost

    for classes in (11, 19):
        price = cost(build_net("roadnet", classes))
        assert price.parameters <= 600_000
        assert price.gflop <= 4.0


def test_enet_is_the_published_one() -> None:
    net = build_net("enet", 19)
    assert 0.36e6 < sum(parameter.numel() for parameter in net.parameters()) == 363_618 < 0.37e6
    encoder = net.encoder
    dilations = [module.dilation[0] for module in of_kind(encoder, nn.Conv2d) if module.dilation[0] > 1]
    assert dilations == [2, 4, 8, 16] * 2
    assert sum(module.kernel_size in ((5, 1), (1, 5)) for module in of_kind(encoder, nn.Conv2d)) == 2 * 4
    assert [module.p for module in of_kind(net, nn.Dropout2d)] == [0.01] * 5 + [0.1] * 17
    slopes = of_kind(net, nn.PReLU)
    assert len(slopes) == len(of_kind(encoder, nn.PReLU)) == 67  # none in the decoder
    assert all(module.num_parameters > 1 for module in slopes)
    assert encoder.initial.conv.out_channels == 13
    assert type(net.head) is nn.ConvTranspose2d
    assert {module.eps for module in of_kind(net, nn.BatchNorm2d)} == {1e-3}


def test_enet_unpools_to_where_the_pooling_of_the_same_size_found_its_largest() -> None:
    net = build_net("enet", CLASSES).eval()
    seen: dict[str, Any] = {}
    for name in ("encoder.down1.pool", "encoder.down2.pool", "up4.unpool", "up5.unpool"):
        net.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: (inputs, output)})
        )
    with torch.no_grad():
        net(torch.rand(1, 3, 32, 48))
    for pool, unpool in (("encoder.down2.pool", "up4.unpool"), ("encoder.down1.pool", "up5.unpool")):
        x, (_, where) = seen[pool][0][0], seen[pool][1]
        (values, given), placed = seen[unpool]
        assert given is where
        assert placed.shape[2:] == x.shape[2:]
        assert torch.equal(placed.flatten(2).gather(2, where.flatten(2)), values.flatten(2))


def test_the_second_stage_of_training_begins_with_the_encoder_of_the_first() -> None:
    first, second = build_net("enet-encoder", CLASSES).eval(), build_net("enet", CLASSES).eval()
    second.encoder.load_state_dict(first.encoder.state_dict())
    x = torch.rand(1, 3, 32, 40)
    with torch.no_grad():
        assert torch.equal(first.encoder(x)[0], second.encoder(x)[0])
        assert first.scores(x).shape == (1, CLASSES, 4, 5)


@pytest.mark.parametrize("name", NETS)
def test_a_few_steps_of_training_move_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    net = build_net(name, CLASSES).train()
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.randn(2, 3, 2 * net.stride, 2 * net.stride)
    target = torch.randint(0, CLASSES, (2, *x.shape[2:]))
    for _ in range(5):  # the first opens the bottlenecks that begin shut
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), target).backward()
        optimiser.step()
    assert not [key for key, value in net.named_parameters() if torch.equal(value, before[key])]


def test_one_picture_alone_can_be_trained_on() -> None:
    net = build_net("roadnet", CLASSES).train()  # its context is one cell, of which BatchNorm would refuse one
    assert net(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_a_fresh_road_network_shows_no_grid() -> None:
    net = build_net("roadnet", CLASSES).eval()
    with torch.no_grad():
        cells = net(torch.rand(1, 3, 32, 32)).unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
    assert torch.equal(cells.amin(-1), cells.amax(-1))


def test_the_road_network_has_only_operators_that_are_fast_everywhere() -> None:
    net = build_net("roadnet", CLASSES)
    leaves = {type(module) for module in net.modules() if not list(module.children())}
    fast = {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Upsample, nn.PixelShuffle, nn.AdaptiveAvgPool2d, nn.Dropout2d}
    assert leaves <= fast


def test_fcn_begins_its_learned_steps_as_bilinear_interpolation() -> None:
    net = build_net("fcn", 2)
    x = torch.rand(1, 2, 6, 6)
    with torch.no_grad():
        learned = net.grow_32(x)
        exact = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(learned[..., 2:-2, 2:-2], exact[..., 2:-2, 2:-2])


def test_the_command_shows_every_network(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from pipeline.cli.nets import nets

    monkeypatch.setenv("COLUMNS", "120")
    nets(classes=11)
    said = capsys.readouterr().out
    for name, parameters in PARAMETERS.items():
        assert name in said
        assert f"{parameters:,}" in said
    assert "counts as 2" in said


def test_without_torch_the_command_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = dashmask("nets")
    assert (said.code, "dashmask[train]" in said.err) == (2, True)
