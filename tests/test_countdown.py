"""countdown(): a loop of a lecture's own that can be stopped without losing what it has done."""

import pytest

from course_utils import countdown


def test_it_counts_and_takes_the_time():
    done = []
    with countdown(5, "GAN") as clock:
        for step in clock:
            done.append(step)
            sum(range(20_000))
    assert done == [1, 2, 3, 4, 5] and clock.done == 5 and not clock.interrupted
    assert clock.seconds > 0 and clock.cpu_seconds > 0


def test_the_stop_button_ends_the_loop_and_keeps_what_was_done(capsys):
    weights = []
    with countdown(100, "GAN") as clock:
        for step in clock:
            weights.append(step)
            if step == 7:
                raise KeyboardInterrupt
    assert weights == list(range(1, 8)) and clock.interrupted and clock.done == 6
    said = capsys.readouterr().out
    assert said.startswith("GAN: ") and "6 of 100" in said


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError), countdown(3) as clock:
        for _ in clock:
            1 / 0  # noqa: B018
    assert not clock.interrupted


@pytest.mark.parametrize("steps", [0, -1])
def test_it_needs_a_step(steps):
    with pytest.raises(ValueError, match="steps >= 1"):
        countdown(steps)
