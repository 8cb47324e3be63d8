"""Augmentations as they reach the network: exact changes, their statistics, and what they depend on."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.augment import AUGMENTATIONS
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.executor.executor import Executor
from dlrun.layers import Dense, Flatten
from dlrun.registry import ChosenBy
from tests.support.network import ProbeLoss

generator = np.random.default_rng(0)
IMAGES = generator.integers(0, 256, (24, 9, 7, 2), dtype=np.uint8)
SCALE, OFFSET = (0.5, 0.25), (-3.0, 2.0)
SCALED = IMAGES * np.array(SCALE) + np.array(OFFSET)
SPECS = {
    "cutout": {"size": 3},
    "random_crop": {"minimum": 0.6},
    "random_flip": {},
    "random_noise": {"stddev": 0.1},
    "random_rotation": {"degrees": 30.0},
    "random_shift": {"pixels": 2},
}
by_name = pytest.mark.parametrize("name", SPECS)


def model(augment, shape, kind="image", stored="uint8", scale=SCALE, offset=OFFSET):
    feature = Feature("x", shape, stored, kind, scale=scale, offset=offset)
    signature = Signature({"x": feature}, {"target": Feature("target", (1,), "float64")})
    layers = [Flatten(), Dense(units=1)]
    return Model(layers, [("model", "layers", i) for i in range(2)], signature, ProbeLoss(), tuple(augment))


def augmented(augment, images=IMAGES, step=0, training=True, precision="float64", threads=2, seed=0, **fields):
    """The rows as the network sees them in a step."""
    rows = len(images)
    goal = Goal(training=training, gradients=training, keep=True, collect=False)
    what = model(augment, images.shape[1:], **fields)
    plan = compile_plan(what, goal, UpdateRule(), precision, rows, threads, seed)
    data = {"data/inputs/x": images, "data/targets/target": np.zeros((rows, 1)), "order": np.arange(rows)}
    executor = Executor(plan, threads, data)
    assert executor.run(np.array([[rows, step, 0, 1, 1, 0]]), np.zeros((1, 1))).finished
    return executor.array("inputs/x").reshape(images.shape).copy()


def spec(name, **fields):
    return AUGMENTATIONS[name](**(SPECS[name] | fields))


def black(shape=IMAGES.shape[1:]):
    return np.broadcast_to(np.array(OFFSET), shape)


def shifted(image, down, right):
    height, width, _ = image.shape
    padded = np.broadcast_to(np.array(OFFSET), (3 * height, 3 * width, 2)).copy()
    padded[height + down : 2 * height + down, width + right : 2 * width + right] = image
    return padded[height : 2 * height, width : 2 * width]


def test_every_augmentation_is_tested():
    assert set(SPECS) == set(AUGMENTATIONS.names)


@by_name
def test_inference_sees_the_rows_as_they_are(name):
    np.testing.assert_allclose(augmented([spec(name)], training=False), SCALED)


@by_name
def test_a_draw_depends_on_step_row_and_seed_alone(name):
    one = spec(name)
    first = augmented([one])
    assert not np.allclose(first, SCALED)
    np.testing.assert_array_equal(first, augmented([one], threads=3))
    np.testing.assert_array_equal(first[:10], augmented([one], IMAGES[:10], threads=1))
    assert not np.array_equal(first, augmented([one], step=1))
    assert not np.array_equal(first, augmented([one], seed=1))
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape).copy()
    assert len(np.unique(augmented([one], same), axis=0)) > 1


@by_name
def test_float32_makes_the_same_changes(name):
    np.testing.assert_allclose(augmented([spec(name)], precision="float32"), augmented([spec(name)]), atol=2e-3)


def test_shifts_are_all_equally_likely_and_black_moves_in():
    seen = {}
    for step in range(12):
        for image, result in zip(SCALED, augmented([spec("random_shift")], step=step), strict=True):
            found = [
                (down, right)
                for down in range(-2, 3)
                for right in range(-2, 3)
                if np.array_equal(shifted(image, down, right), result)
            ]
            assert len(found) == 1
            seen[found[0]] = seen.get(found[0], 0) + 1
    assert len(seen) == 25
    expected = 12 * 24 / 25
    assert sum((count - expected) ** 2 / expected for count in seen.values()) < 24 + 5 * np.sqrt(48)


@pytest.mark.parametrize(("mode", "axes"), [
    ("horizontal", [(), (2,)]),
    ("vertical", [(), (1,)]),
    ("horizontal_and_vertical", [(), (1,), (2,), (1, 2)]),
])  # fmt: skip
def test_flips_take_half_of_the_images(mode, axes):
    counts = np.zeros(len(axes))
    for step in range(12):
        result = augmented([spec("random_flip", mode=mode)], step=step)
        matches = [(np.flip(SCALED, axis) == result).all((1, 2, 3)) for axis in axes]
        assert (np.sum(matches, axis=0) == 1).all()
        counts += np.sum(matches, axis=1)
    share = 1 / len(axes)
    assert (np.abs(counts / (12 * 24) - share) < 5 * np.sqrt(share * (1 - share) / (12 * 24))).all()


def bilinear(image, y, x, outside):
    """The value at a position, with `outside` around the image."""
    height, width, _ = image.shape
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    total = np.zeros(2)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - abs(y - y0 - i)) * (1 - abs(x - x0 - j))
        inside = 0 <= y0 + i < height and 0 <= x0 + j < width
        total += weight * (image[y0 + i, x0 + j] if inside else outside)
    return total


def test_rotations_sample_the_image_at_a_common_angle():
    degrees, angles = 30.0, []
    results = augmented([spec("random_rotation", degrees=degrees)])
    for image, result in zip(SCALED, results, strict=True):
        candidates = np.radians(np.linspace(-degrees, degrees, 601))

        def rotated(angle, places, image=image):
            s, c = np.sin(angle), np.cos(angle)
            return np.array([
                bilinear(image, 4 + c * (r - 4) - s * (k - 3), 3 + s * (r - 4) + c * (k - 3), np.array(OFFSET))
                for r, k in places
            ])  # fmt: skip

        some = [(0, 0), (2, 5), (6, 1), (8, 6)]
        wanted = np.array([result[place] for place in some])
        errors = [np.abs(rotated(angle, some) - wanted).max() for angle in candidates]
        best = candidates[int(np.argmin(errors))]
        fine = best + np.radians(np.linspace(-0.1, 0.1, 201))
        best = fine[int(np.argmin([np.abs(rotated(angle, some) - wanted).max() for angle in fine]))]
        angles.append(best)
        everywhere = [(r, k) for r in range(9) for k in range(7)]
        np.testing.assert_allclose(rotated(best, everywhere).reshape(9, 7, 2), result, atol=0.05)
    assert np.degrees(np.ptp(angles)) > degrees
    assert np.array_equal(results[:, 4, 3], SCALED[:, 4, 3])


def test_crops_stay_inside_and_keep_straight_lines():
    ramp = np.broadcast_to((np.arange(9)[:, None, None] * 20.0 + 40), (24, 9, 7, 2)).copy()
    result = augmented([spec("random_crop", minimum=0.5)], ramp, stored="float64", scale=(1.0,), offset=(0.0,))
    assert result.min() >= 40
    assert result.max() <= 200
    np.testing.assert_allclose(result, np.broadcast_to(result[:, :, :1, :1], result.shape))
    steps = np.diff(result[:, 2:7, 0, 0], axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), rtol=1e-9)
    shares = steps[:, 0] / 20
    assert (shares >= 0.5).all()
    assert (shares <= 1).all()
    assert np.ptp(shares) > 0.3


def test_noise_has_its_standard_deviation():
    images = np.broadcast_to(IMAGES[:1], (200, 9, 7, 2)).copy()
    noise = augmented([spec("random_noise", stddev=0.2)], images) - SCALED[:1]
    assert abs(noise.mean()) < 5 * 0.2 / np.sqrt(noise.size)
    assert abs(noise.std() - 0.2) < 5 * 0.2 / np.sqrt(2 * noise.size)


@pytest.mark.parametrize(("size", "holes"), [(1, 1), (3, 1), (4, 2), (20, 1)])
def test_cutout_blacks_out_squares_that_may_stick_out(size, holes):
    bright = np.full((24, 9, 7, 2), 200, np.uint8)
    result = augmented([spec("cutout", size=size, holes=holes)], bright)
    is_black = (result == black()).all(-1)
    assert ((result == black()).any(-1) == is_black).all()
    assert (is_black | (result == bright * np.array(SCALE) + np.array(OFFSET)).all(-1)).all()
    counts = is_black.sum((1, 2))
    assert counts.min() >= 1
    assert counts.max() <= min(size * size * holes, 63)
    if holes == 1:
        for mask in is_black:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert max(len(rows), len(columns)) <= size


def test_black_is_a_stored_zero_and_one_offset_serves_all_channels():
    zeros = np.zeros((4, 9, 7, 2), np.uint8)
    for name in ("cutout", "random_crop", "random_flip", "random_rotation", "random_shift"):
        np.testing.assert_allclose(augmented([spec(name)], zeros), np.broadcast_to(black(), zeros.shape))
        result = augmented([spec(name)], zeros, scale=(2.0,), offset=(0.75,))
        np.testing.assert_allclose(result, 0.75)


def test_augmentations_follow_each_other_in_order_with_draws_of_their_own():
    shift = spec("random_shift")
    once, twice = augmented([shift]), augmented([shift, shift])
    farthest = 0
    for first, second in zip(once, twice, strict=True):
        moves = [(d, r) for d in range(-2, 3) for r in range(-2, 3) if np.array_equal(shifted(first, d, r), second)]
        assert moves
        farthest = max(farthest, abs(moves[0][0]), abs(moves[0][1]))
    assert farthest == 2
    bright = np.full((24, 9, 7, 2), 200, np.uint8)
    before, after = (augmented(augment, bright) for augment in ([spec("cutout"), shift], [shift, spec("cutout")]))
    assert not np.array_equal(before, after)


def test_only_named_inputs_are_changed():
    features = {name: Feature(name, (4, 4, 1), "float64", "image") for name in ("a", "b")}
    signature = Signature(features, {"target": Feature("target", (32,), "float64")})
    from dlrun.layers import Concatenate

    layers = [Concatenate(inputs=("a", "b")), Flatten()]
    paths = [("model", "layers", i) for i in range(2)]
    what = Model(layers, paths, signature, ProbeLoss(), (spec("random_noise", inputs=("b",)),))
    plan = compile_plan(what, Goal(training=True, keep=True, collect=False), UpdateRule(), "float64", 2, 2, 0)
    data = {f"data/inputs/{name}": np.ones((2, 4, 4, 1)) for name in features}
    executor = Executor(plan, 2, data | {"data/targets/target": np.zeros((2, 32)), "order": np.arange(2)})
    executor.run(np.array([[2, 0, 0, 1, 1, 0]]), np.zeros((1, 1)))
    assert (executor.array("inputs/a") == 1).all()
    assert (executor.array("inputs/b") != 1).all()


def problems(augment, shape=(9, 7, 2), kind="image"):
    with pytest.raises(ConfigError) as caught:
        model(augment, shape, kind, "float64", (1.0,), (0.0,)).graph()
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_problems_are_located():
    assert problems([spec("random_flip"), spec("random_shift", pixels=7)]) == [
        (
            ("data", "augment", 1, "pixels"),
            "data.augment[1].pixels: pixels must be less than the images' extents 9 x 7, got 7",
        ),
    ]
    assert problems([spec("cutout")], (5,), "numbers") == [
        (("data", "augment", 0), "data.augment[0]: cutout changes images, and no input holds any")
    ]
    assert problems([spec("cutout", inputs=("y",))]) == [
        (("data", "augment", 0, "inputs"), "data.augment[0].inputs: the data have no input named 'y'")
    ]
    ((path, message),) = problems([spec("cutout", inputs=("x",))], (5,), "numbers")
    assert path == ("data", "augment", 0, "inputs")
    assert "needs images of shape (height, width, channels)" in message


def test_noise_may_be_added_to_numbers_but_not_to_classes():
    rows = np.zeros((6, 5))
    stored = {"kind": "numbers", "stored": "float64", "scale": (1.0,), "offset": (0.0,)}
    result = augmented([spec("random_noise", inputs=("x",))], rows, **stored)
    assert (result != 0).all()
    ((_, message),) = problems([spec("random_noise", inputs=("x",))], (1,), "category")
    assert "random_noise needs numbers" in message


@pytest.mark.parametrize(("name", "fields"), [
    ("random_shift", {"pixels": 0}), ("random_rotation", {"degrees": 200.0}), ("random_crop", {"minimum": 0.0}),
    ("cutout", {"size": 0}), ("random_noise", {"stddev": -1.0}), ("random_flip", {"mode": "diagonal"}),
])  # fmt: skip
def test_values_that_make_no_sense_are_refused(name, fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        ChosenBy(AUGMENTATIONS).validate({"type": name, **fields})
