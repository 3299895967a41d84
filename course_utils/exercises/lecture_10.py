"""Exercises of lecture 10, diffusion and flow matching: references, cases, and the answers that students really give."""

import torch

from .declare import Declarations, normal

EXERCISES = Declarations()


def _levels(*values):
    return torch.tensor(values)


def _each(level, x):
    """Levels, (batch,) or a number, in a shape that broadcasts over x: (batch, ...)."""
    return torch.as_tensor(level).view(-1, *[1] * (x.dim() - 1))


def alpha_bar(betas):
    """What is left of the signal's variance after each of the steps x_k = sqrt(1 - beta_k) x_{k-1} + sqrt(beta_k) noise (Ho et al. 2020).

    betas: (steps,), each in 0..1.  Returns (steps,): the product of 1 - beta up to and including each step.
    """
    return torch.cumprod(1 - betas, 0)


@EXERCISES.declare(alpha_bar)
class _:
    def cases():
        return [
            (_levels(0.1, 0.2, 0.5),),
            (torch.linspace(1e-4, 0.02, 1000),),
            (_levels(0.3),),
            (_levels(0.9, 0.0, 0.05, 0.6),),
        ]

    class mistakes:
        alpha = lambda betas: 1 - betas
        of_betas = lambda betas: torch.cumprod(betas, 0)
        complement = lambda betas: 1 - torch.cumprod(1 - betas, 0)
        sum = lambda betas: 1 - torch.cumsum(betas, 0)
        root = lambda betas: torch.cumprod(1 - betas, 0).sqrt()
        last = lambda betas: torch.prod(1 - betas)
        late = lambda betas: torch.cumprod(torch.cat([torch.ones(1), 1 - betas[:-1]]), 0)
        backwards = lambda betas: torch.cumprod(1 - betas.flip(0), 0)

    class alternatives:
        logarithms = lambda betas: torch.log1p(-betas.double()).cumsum(0).exp()

        def loop(betas):
            left, all_left = 1.0, []
            for beta in betas:
                left = left * (1 - beta)
                all_left.append(left)
            return torch.stack(all_left)


def add_noise(x0, noise, alpha_bar):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise: all steps of the forward process at once (Ho et al. 2020, equation 4).

    x0, noise: (batch, ...).  alpha_bar: (batch,), the level of each image.  Returns (batch, ...).
    """
    a = alpha_bar.view(-1, *[1] * (x0.dim() - 1))  # (batch, 1, 1, 1) for images
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def _noisy_cases():
    return [
        (normal(3, 1, 3, 3, seed=1), normal(3, 1, 3, 3, seed=2), _levels(0.9, 0.5, 0.04)),
        (normal(4, 1, 4, 4, seed=3), normal(4, 1, 4, 4, seed=4), _levels(0.7, 0.2, 0.99, 0.36)),
        (normal(5, 2, seed=5), normal(5, 2, seed=6), _levels(0.8, 0.6, 0.3, 0.1, 0.95)),
        (normal(2, 2, seed=7), normal(2, 2, seed=8), _levels(0.3, 0.8)),
    ]


def _wrong_axis(x0, noise, alpha_bar):
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def _mixed(x0, noise, a, signal, sigma):
    a = _each(a, x0)
    return signal(a) * x0 + sigma(a) * noise


@EXERCISES.declare(add_noise)
class _:
    cases = _noisy_cases

    class mistakes:
        variances = lambda x0, noise, a: _mixed(x0, noise, a, lambda a: a, lambda a: 1 - a)
        half_root = lambda x0, noise, a: _mixed(x0, noise, a, torch.sqrt, lambda a: 1 - a)
        signal_variance = lambda x0, noise, a: _mixed(
            x0, noise, a, lambda a: a, lambda a: (1 - a).sqrt()
        )
        exchanged = lambda x0, noise, a: add_noise(noise, x0, a)
        difference = lambda x0, noise, a: add_noise(x0, -noise, a)
        no_shrinking = lambda x0, noise, a: x0 + (1 - _each(a, x0)).sqrt() * noise
        one_minus_root = lambda x0, noise, a: _mixed(
            x0, noise, a, torch.sqrt, lambda a: 1 - a.sqrt()
        )
        all_noise = lambda x0, noise, a: _each(a, x0).sqrt() * x0 + noise
        other_noise = lambda x0, noise, a: add_noise(x0, normal(*x0.shape, seed=99), a)
        one_level = lambda x0, noise, a: add_noise(x0, noise, a[:1].expand(len(x0)))
        wrong_axis = _wrong_axis

    class alternatives:
        einsum = lambda x0, noise, a: (
            torch.einsum("b,b...->b...", a.sqrt(), x0)
            + torch.einsum("b,b...->b...", (1 - a).sqrt(), noise)
        )

        def loop(x0, noise, a):
            return torch.stack([b.sqrt() * x + (1 - b).sqrt() * n for x, n, b in zip(x0, noise, a)])


def predict_x0(x_t, noise, alpha_bar):
    """The clean image that x_t came from, if ``noise`` is the noise in it: add_noise solved for x0.

    x_t, noise: (batch, ...).  alpha_bar: (batch,), above 0.  Returns (batch, ...).
    """
    a = alpha_bar.view(-1, *[1] * (x_t.dim() - 1))
    return (x_t - (1 - a).sqrt() * noise) / a.sqrt()


@EXERCISES.declare(predict_x0)
class _:
    cases = _noisy_cases

    class mistakes:
        not_divided = lambda x_t, noise, a: x_t - (1 - _each(a, x_t)).sqrt() * noise
        divided_first = lambda x_t, noise, a: (
            x_t / _each(a, x_t).sqrt() - (1 - _each(a, x_t)).sqrt() * noise
        )
        by_variance = lambda x_t, noise, a: predict_x0(x_t, noise, a) / _each(a, x_t).sqrt()
        noise_variance = lambda x_t, noise, a: (
            (x_t - (1 - _each(a, x_t)) * noise) / _each(a, x_t).sqrt()
        )
        both_variances = lambda x_t, noise, a: (x_t - (1 - _each(a, x_t)) * noise) / _each(a, x_t)
        multiplied = lambda x_t, noise, a: (
            (x_t - (1 - _each(a, x_t)).sqrt() * noise) * _each(a, x_t).sqrt()
        )
        added = lambda x_t, noise, a: predict_x0(x_t, -noise, a)
        all_noise = lambda x_t, noise, a: (x_t - noise) / _each(a, x_t).sqrt()
        exchanged = lambda x_t, noise, a: predict_x0(x_t, noise, 1 - a)
        noise_again = lambda x_t, noise, a: add_noise(x_t, noise, a)
        wrong_axis = lambda x_t, noise, a: (x_t - (1 - a).sqrt() * noise) / a.sqrt()

    class alternatives:
        odds = lambda x_t, noise, a: (
            x_t / _each(a, x_t).sqrt() - (1 / _each(a, x_t) - 1).sqrt() * noise
        )


def ddim_step(x_t, noise, alpha_bar_t, alpha_bar_s):
    """One deterministic step from level t to the cleaner level s: guess x0, then put the same noise back, less of it (Song et al. 2021).

    x_t, noise: (batch, ...), the noise as predicted at level t.  alpha_bar_t, alpha_bar_s: (batch,).  Returns x_s: (batch, ...).
    """
    a_t, a_s = (a.view(-1, *[1] * (x_t.dim() - 1)) for a in (alpha_bar_t, alpha_bar_s))
    x0 = (x_t - (1 - a_t).sqrt() * noise) / a_t.sqrt()
    return a_s.sqrt() * x0 + (1 - a_s).sqrt() * noise


def _fresh(x):
    return normal(*x.shape, seed=98)


def _stochastic(x_t, noise, a_t, a_s, z):
    """The ancestral step: part of the noise is replaced by z."""
    x0, a_t, a_s = predict_x0(x_t, noise, a_t), _each(a_t, x_t), _each(a_s, x_t)
    variance = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
    return a_s.sqrt() * x0 + (1 - a_s - variance).clamp(min=0).sqrt() * noise + variance.sqrt() * z


@EXERCISES.declare(ddim_step)
class _:
    def cases():
        images = normal(3, 1, 3, 3, seed=11), normal(3, 1, 3, 3, seed=12)
        return [
            (*images, _levels(0.1, 0.5, 0.02), _levels(0.4, 0.9, 0.3)),
            (*images, _levels(0.3, 0.6, 0.05), _levels(1.0, 1.0, 1.0)),
            (normal(2, 2, seed=13), normal(2, 2, seed=14), _levels(0.2, 0.7), _levels(0.5, 0.8)),
        ]

    class mistakes:
        exchanged = lambda x_t, noise, a_t, a_s: ddim_step(x_t, noise, a_s, a_t)
        only_x0 = lambda x_t, noise, a_t, a_s: predict_x0(x_t, noise, a_t)
        noise_of_t = lambda x_t, noise, a_t, a_s: (
            _each(a_s, x_t).sqrt() * predict_x0(x_t, noise, a_t)
            + (1 - _each(a_t, x_t)).sqrt() * noise
        )
        guess_at_s = lambda x_t, noise, a_t, a_s: add_noise(predict_x0(x_t, noise, a_s), noise, a_s)
        x_t_for_x0 = lambda x_t, noise, a_t, a_s: add_noise(x_t, noise, a_s)
        variance = lambda x_t, noise, a_t, a_s: (
            _each(a_s, x_t).sqrt() * predict_x0(x_t, noise, a_t) + (1 - _each(a_s, x_t)) * noise
        )
        signal_variance = lambda x_t, noise, a_t, a_s: (
            _each(a_s, x_t) * predict_x0(x_t, noise, a_t) + (1 - _each(a_s, x_t)).sqrt() * noise
        )
        no_noise = lambda x_t, noise, a_t, a_s: _each(a_s, x_t).sqrt() * predict_x0(x_t, noise, a_t)
        fresh_noise = lambda x_t, noise, a_t, a_s: add_noise(
            predict_x0(x_t, noise, a_t), _fresh(x_t), a_s
        )
        noise_at_the_end = lambda x_t, noise, a_t, a_s: (
            ddim_step(x_t, noise, a_t, a_s) + (1 - _each(a_t / a_s, x_t)).sqrt() * _fresh(x_t)
        )
        ancestral = lambda x_t, noise, a_t, a_s: _stochastic(x_t, noise, a_t, a_s, _fresh(x_t))
        posterior_mean = lambda x_t, noise, a_t, a_s: _stochastic(
            x_t, noise, a_t, a_s, torch.zeros_like(x_t)
        )
        sign = lambda x_t, noise, a_t, a_s: add_noise(predict_x0(x_t, noise, a_t), -noise, a_s)

    class alternatives:
        in_two_calls = lambda x_t, noise, a_t, a_s: add_noise(
            predict_x0(x_t, noise, a_t), noise, a_s
        )

        def direct(x_t, noise, a_t, a_s):
            a_t, a_s = _each(a_t, x_t), _each(a_s, x_t)
            ratio = (a_s / a_t).sqrt()
            return ratio * x_t + ((1 - a_s).sqrt() - ratio * (1 - a_t).sqrt()) * noise


def velocity_target(x0, noise):
    """dx/dt on the straight path x_t = (1 - t) x0 + t noise: it points from the data to the noise (t = 0 data, t = 1 noise).

    x0, noise: (batch, ...).  Returns (batch, ...), the same at every t.
    """
    return noise - x0


@EXERCISES.declare(velocity_target)
class _:
    def cases():
        return [
            (normal(3, 1, 3, 3, seed=21), normal(3, 1, 3, 3, seed=22)),
            (normal(4, 2, seed=23), normal(4, 2, seed=24)),
            (normal(1, 5, seed=25), torch.zeros(1, 5)),
        ]

    class mistakes:
        sign = lambda x0, noise: x0 - noise
        only_noise = lambda x0, noise: noise
        only_data = lambda x0, noise: x0
        minus_data = lambda x0, noise: -x0
        sum = lambda x0, noise: noise + x0
        middle = lambda x0, noise: (x0 + noise) / 2
        halved = lambda x0, noise: (noise - x0) / 2
        length = lambda x0, noise: (noise - x0).abs()
        unit = lambda x0, noise: (noise - x0) / _each((noise - x0).flatten(1).norm(dim=1), x0)
        circle = lambda x0, noise: (noise - x0) / 2**0.5

    class alternatives:
        negative = lambda x0, noise: -(x0 - noise)
        lerp = lambda x0, noise: torch.lerp(x0, noise, 1.0) - torch.lerp(x0, noise, 0.0)


def euler_step(x, velocity, dt):
    """One step of Euler's method along dx/dt = velocity: straight on for a time dt, which is negative on the way back to the data.

    x, velocity: (batch, ...).  dt: a number, or one of each image, (batch,).  Returns (batch, ...).
    """
    dt = torch.as_tensor(dt).view(-1, *[1] * (x.dim() - 1))
    return x + dt * velocity


def _along(x, velocity, dt, sign=1.0):
    return x + sign * _each(dt, x) * velocity


@EXERCISES.declare(euler_step)
class _:
    def cases():
        images = normal(3, 1, 3, 3, seed=31), normal(3, 1, 3, 3, seed=32)
        return [
            (*images, -0.1),
            (*images, _levels(-0.2, 0.05, -0.5)),
            (normal(4, 2, seed=33), normal(4, 2, seed=34), 0.25),
            (normal(2, 2, seed=35), normal(2, 2, seed=36), _levels(-0.3, 0.4)),
        ]

    class mistakes:
        sign = lambda x, velocity, dt: _along(x, velocity, dt, -1.0)
        always_back = lambda x, velocity, dt: _along(x, velocity, -torch.as_tensor(dt).abs())
        no_dt = lambda x, velocity, dt: x + velocity
        only_change = lambda x, velocity, dt: _along(torch.zeros_like(x), velocity, dt)
        interpolation = lambda x, velocity, dt: _along(x, velocity, dt) - x * _each(dt, x)
        divided = lambda x, velocity, dt: _along(x, velocity, 1 / torch.as_tensor(dt))
        squared = lambda x, velocity, dt: _along(x, velocity, torch.as_tensor(dt) ** 2)
        root = lambda x, velocity, dt: _along(x, velocity, torch.as_tensor(dt).abs().sqrt())
        exchanged = lambda x, velocity, dt: _along(velocity, x, dt)
        noise_too = lambda x, velocity, dt: (
            _along(x, velocity, dt)
            + _along(torch.zeros_like(x), _fresh(x), torch.as_tensor(dt).abs().sqrt())
        )
        wrong_axis = lambda x, velocity, dt: x + dt * velocity

    class alternatives:
        einsum = lambda x, velocity, dt: (
            x + torch.einsum("b,b...->b...", torch.as_tensor(dt).expand(len(x)), velocity)
        )


def guided(cond, uncond, scale):
    """Classifier-free guidance: from the prediction without a class towards the one with it, and beyond for scale > 1 (Ho and Salimans 2022).

    cond, uncond: (batch, ...).  scale: a number, or one of each image, (batch,); 0 gives uncond, 1 cond.  Returns (batch, ...).
    """
    scale = torch.as_tensor(scale).view(-1, *[1] * (cond.dim() - 1))
    return uncond + scale * (cond - uncond)


def _from(start, cond, uncond, scale):
    return start + _each(scale, cond) * (cond - uncond)


@EXERCISES.declare(guided)
class _:
    def cases():
        images = normal(3, 1, 3, 3, seed=41), normal(3, 1, 3, 3, seed=42)
        return [
            (*images, 1.5),
            (*images, _levels(0.0, 1.0, 3.0)),
            (normal(4, 2, seed=43), normal(4, 2, seed=44), 0.5),
            (normal(2, 2, seed=45), normal(2, 2, seed=46), _levels(2.0, 1.2)),
        ]

    class mistakes:
        from_cond = lambda cond, uncond, scale: _from(cond, cond, uncond, scale)
        exchanged = lambda cond, uncond, scale: guided(uncond, cond, scale)
        away = lambda cond, uncond, scale: _from(uncond, uncond, cond, scale)
        only_difference = lambda cond, uncond, scale: _from(
            torch.zeros_like(cond), cond, uncond, scale
        )
        scaled = lambda cond, uncond, scale: guided(cond, torch.zeros_like(cond), scale)
        sum = lambda cond, uncond, scale: guided(cond + uncond, uncond, scale)
        clamped = lambda cond, uncond, scale: guided(
            cond, uncond, torch.as_tensor(scale).clamp(0, 1)
        )
        mean = lambda cond, uncond, scale: (cond + uncond) / 2
        wrong_axis = lambda cond, uncond, scale: uncond + scale * (cond - uncond)

    class alternatives:
        weights = lambda cond, uncond, scale: _from(cond, cond, uncond, torch.as_tensor(scale) - 1)

        def library(cond, uncond, scale):
            return torch.lerp(uncond, cond, _each(scale, cond).expand_as(cond))
