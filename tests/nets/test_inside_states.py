from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nets import inside
from nets.errors import ConfigError
from tests.nets.inside_nets import convolutional, recurrent


@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_replayed_states_are_the_modules_own(cell: str, layers: int, both: bool) -> None:
    net = recurrent(cell, layers, both).eval()
    x = torch.randn(1, 9, 3)
    found = inside.states(net, x, length=6)
    with torch.no_grad():
        own = net.body.cell(x[:, :6])[0][0].numpy()
    top = found[-2:] if both else found[-1:]
    np.testing.assert_allclose(np.concatenate([s.hidden for s in top], axis=1), own, atol=1e-6)
    assert len(found) == layers * (2 if both else 1)
    assert all(s.hidden.shape == (6, 7) for s in found)


def test_lstm_cell_state_is_the_modules_last_one() -> None:
    net = recurrent("lstm", 1, False).eval()
    x = torch.randn(1, 5, 3)
    (state,) = inside.states(net, x)
    with torch.no_grad():
        cell = net.body.cell(x)[1][1][0, 0].numpy()
    assert state.cell is not None
    np.testing.assert_allclose(state.cell[-1], cell, atol=1e-6)
    gates = state.gates
    assert set(gates) == {"input", "forget", "output", "candidate"}
    again = gates["forget"][1:] * state.cell[:-1] + gates["input"][1:] * gates["candidate"][1:]
    np.testing.assert_allclose(again, state.cell[1:], atol=1e-6)
    assert all(gates[g].min() > 0 and gates[g].max() < 1 for g in ("input", "forget", "output"))


def test_gru_gates_mix_the_old_state_and_the_candidate() -> None:
    net = recurrent("gru", 1, False).eval()
    (state,) = inside.states(net, torch.randn(1, 5, 3))
    update, candidate = state.gates["update"], state.gates["candidate"]
    mixed = (1 - update[1:]) * candidate[1:] + update[1:] * state.hidden[:-1]
    np.testing.assert_allclose(mixed, state.hidden[1:], atol=1e-6)


def test_rnn_with_relu_and_without_bias() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(3, 4, nonlinearity="relu", bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.rnn(x.transpose(0, 1))[0][-1]  # steps first
            return out

    torch.manual_seed(0)
    net, x = Plain(), torch.randn(1, 6, 3)
    (state,) = inside.states(net, x)
    np.testing.assert_allclose(state.hidden[-1], net(x)[0].detach().numpy(), atol=1e-6)


def test_prefix_scores_are_the_scores_of_each_prefix() -> None:
    net = recurrent("gru").eval()
    x = torch.randn(1, 7, 3)
    rows = inside.prefix_scores(net, x, length=5)
    assert rows.shape == (5, 4)
    for t in range(1, 6):
        with torch.no_grad():
            np.testing.assert_allclose(rows[t - 1], net(x[:, :t])[0].numpy(), atol=1e-5)


def test_a_net_without_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="no recurrent layer"):
        inside.states(convolutional(), torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_gate_saturation_counts_steps() -> None:
    gate = np.array([[0.95, 0.05], [0.95, 0.5], [0.5, 0.5], [0.99, 0.01]], dtype=np.float32)
    closed, opened = inside.gate_saturation(gate)
    assert closed.tolist() == [0, 0.5] and opened.tolist() == [0.75, 0]
