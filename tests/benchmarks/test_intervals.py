import math

import numpy as np
import pytest

from benchmarks.intervals import Interval, bootstrap, over, within


def test_students_interval_of_few_values():
    # t of 0.975 at 2 degrees of freedom is 4.3027
    found = over([1.0, 2.0, 3.0])
    assert found == pytest.approx((2.0, 2 - 4.3027 / math.sqrt(3), 2 + 4.3027 / math.sqrt(3)), abs=1e-4)
    assert str(found) == "+2.00 (-0.48 to +4.48)"


def test_one_value_has_no_interval():
    assert str(over([-1.5])) == "-1.50"
    assert str(within([[1.0], [2.0]])) == "+1.50"


def test_groups_that_differ_do_not_widen_what_is_within_them():
    found = within([[1.0, 2.0, 3.0], [101.0, 102.0, 103.0]])
    assert found.mean == 52
    # t of 0.975 at 4 degrees of freedom is 2.7764; variance 1 of 6 values
    assert found.high - found.mean == pytest.approx(2.7764 / math.sqrt(6), abs=1e-4)


def test_the_bootstrap_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, 1000)
    found = bootstrap(values)
    reach = 1.96 * values.std() / math.sqrt(1000)
    assert found == pytest.approx((values.mean(), values.mean() - reach, values.mean() + reach), abs=0.02)


def test_groups_are_drawn_before_what_is_in_them():
    groups = np.array([[0.0] * 3, [10.0] * 3])
    assert bootstrap(groups, nested=2) == Interval(5.0, 0.0, 10.0)
    assert bootstrap(np.full((2, 3, 4), 7.0), nested=2) == Interval(7.0, 7.0, 7.0)


def test_images_are_drawn_once_for_all_seeds():
    # Seeds whose images all agree: what is drawn of the images is not averaged over seeds.
    images = np.random.default_rng(0).normal(0, 1, 100)
    alone, many = bootstrap(images), bootstrap(np.stack([images] * 5), nested=1)
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_bootstrap_of_another_statistic():
    values = np.random.default_rng(0).normal(size=(4, 50))
    found = bootstrap(values, nested=2, statistic=lambda drawn: np.median(drawn, axis=-1))
    assert found.mean == np.median(values)
    assert found.low < found.mean < found.high
    assert found != bootstrap(values, nested=2)
