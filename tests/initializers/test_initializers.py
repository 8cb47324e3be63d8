"""The initializers against the distributions that their papers ask for."""

import math

import numpy as np
import pytest

from dlrun.initializers import INITIALIZERS, Constant, Initializer, Ones, Orthogonal, RandomUniform, Zeros
from dlrun.initializers.variance_scaling import VarianceScaling
from dlrun.layers.variable import Variable
from dlrun.registry import ChosenBy

SHAPE, FAN_IN, FAN_OUT = (3, 3, 40, 60), 360, 540


def draw(initializer, shape=SHAPE, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0):
    return initializer.draw(Variable("kernel", shape, initializer, fan_in, fan_out), np.random.default_rng(seed))


VARIANCES = {
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "lecun_normal": 1 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "random_normal": 0.05**2,
    "random_uniform": 0.1**2 / 12,
    "truncated_normal": (0.05 * 0.87962566103423978) ** 2,
}


@pytest.mark.parametrize("name", VARIANCES)
def test_mean_variance_and_limits(name):
    values = draw(INITIALIZERS[name]())
    count, deviation = values.size, math.sqrt(VARIANCES[name])
    assert values.shape == SHAPE
    assert values.dtype == np.float64
    assert abs(values.mean()) < 5 * deviation / math.sqrt(count)
    assert abs(values.var() / VARIANCES[name] - 1) < 5 * math.sqrt(2 / count)
    is_cut = name != "random_normal"
    limit = math.sqrt(3) if name.endswith("uniform") else 2 / 0.87962566103423978
    assert (np.abs(values).max() <= limit * deviation * (1 + 1e-12)) == is_cut


def test_every_random_initializer_is_measured():
    fixed = {"zeros", "ones", "constant", "orthogonal"}
    assert set(VARIANCES) | fixed == set(INITIALIZERS.names)
    assert sum(issubclass(component, VarianceScaling) for component in INITIALIZERS) == 6


@pytest.mark.parametrize("name", INITIALIZERS.names)
def test_the_same_seed_draws_the_same_and_another_seed_other_values(name):
    initializer = INITIALIZERS[name]()
    assert isinstance(initializer, Initializer)
    np.testing.assert_array_equal(draw(initializer, seed=1), draw(initializer, seed=1))
    if name not in ("zeros", "ones", "constant"):
        assert not np.array_equal(draw(initializer, seed=1), draw(initializer, seed=2))


def test_constants():
    assert (draw(Zeros(), (2, 3)) == 0).all()
    assert (draw(Ones(), (2, 3)) == 1).all()
    assert (draw(Constant(value=-0.25), (2, 3)) == -0.25).all()


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (3, 3, 4, 10), (1, 1), (5, 5)], ids=str)
def test_orthogonal_columns_or_rows(shape):
    values = draw(Orthogonal(gain=1.5), shape).reshape(-1, shape[-1])
    product = values.T @ values if values.shape[0] >= values.shape[1] else values @ values.T
    np.testing.assert_allclose(product, 2.25 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_show_no_preferred_sign():
    generator, variable = np.random.default_rng(3), Variable("kernel", (4, 4), Orthogonal())
    corners = [Orthogonal().draw(variable, generator)[0, 0] for _ in range(400)]
    assert abs(np.mean(corners)) < 5 * 0.5 / math.sqrt(400)


@pytest.mark.parametrize("name", ["random_normal", "truncated_normal"])
def test_mean_and_deviation_can_be_set_but_no_negative_deviation(name):
    values = draw(INITIALIZERS[name](mean=3.0, stddev=0.1))
    assert abs(values.mean() - 3) < 0.01
    with pytest.raises(ValueError, match="stddev"):
        INITIALIZERS[name](stddev=-1.0)


def test_uniform_limits_must_be_in_order():
    assert abs(draw(RandomUniform(minimum=2, maximum=4)).mean() - 3) < 0.05
    with pytest.raises(ValueError, match="minimum is greater than maximum"):
        RandomUniform(minimum=1, maximum=0)


def test_other_names_of_the_same():
    assert ChosenBy(INITIALIZERS).validate("xavier_uniform").type == "glorot_uniform"
    assert ChosenBy(INITIALIZERS).validate("kaiming_normal").type == "he_normal"
