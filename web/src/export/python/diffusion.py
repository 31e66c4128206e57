# The variational bound in continuous time (Kingma et al. 2021, arXiv:2107.00630, eq. 11, 14 and 15), with
# z_t = cos(pi t / 2) x + sin(pi t / 2) eps and a network that predicts v = cos(pi t / 2) eps - sin(pi t / 2) x.
K = {{k}}
FROM = 0.02  # the time of z_0: less noise than that belongs to p(x | z_0)
# How often each level occurs in a million values of the training images.
COUNTS = np.array({{counts}}, float)
x = LEVELS.ravel() / 127.5 - 1.0
denoiser = Program("denoiser")
rows = denoiser.shapes["time"][0]


def predict(times):
    eps = rng.standard_normal((rows, x.size))
    alpha, sigma = np.cos(np.pi * times / 2)[:, None], np.sin(np.pi * times / 2)[:, None]
    z = alpha * x + sigma * eps
    v = denoiser(z=z, time=times, **{"class": LABELS})["prediction"].reshape(rows, -1)
    return alpha, sigma, eps, z, v


def log_p_of_levels(predicted):
    """log p(x | z_0): logistic noise about the predicted value, gathered into 256 levels and weighed by how often each
    occurs (Ho et al. 2020, arXiv:2006.11239, section 3.3)."""
    share = COUNTS / COUNTS.sum() if COUNTS.size else np.full(256, 1 / 256)
    prior = 0.95 * share + 0.05 / 256
    at = np.round((predicted.clip(-1, 1) + 1) * 127.5 * 8)[..., None] / 8
    away = np.abs(np.arange(256) - at)
    inside, beyond = 0.0, 0.0
    for scale, part in [(0.3, 0.1), (1.8, 0.8), (4.5, 0.1)]:
        near, far = (1 / (1 + np.exp(np.minimum((away + edge) / scale, 700))) for edge in (-0.5, 0.5))
        inside, beyond = inside + part * (near - far), beyond + part * near
    beyond_ends = np.isin(np.arange(256), [0, 255])
    p = prior * np.where(beyond_ends, beyond, inside)
    chosen = np.take_along_axis(p, LEVELS.astype(int).ravel()[None, :, None].repeat(len(p), 0), -1)[..., 0]
    return np.log(chosen / p.sum(-1)).sum(-1)


decoded, integrand = [], []
# ln t is spread evenly, two draws in each of equal parts.
parts = (np.arange(K) // 2 + rng.random(K)) / (K / 2)
times = rng.permutation(FROM ** (1 - parts))
for some in np.array_split(times, max(1, round(K / rows))):
    some = np.resize(some, rows)
    if len(integrand) % (8 * rows) == 0:
        alpha, sigma, _, z, v = predict(np.full(rows, FROM))
        decoded.extend(log_p_of_levels(alpha * z - sigma * v))
    alpha, sigma, eps, z, v = predict(some)
    weight = 0.5 * np.pi * alpha / sigma * some[:, None] * -np.log(FROM)
    integrand.extend((weight * (alpha * eps - sigma * x - v) ** 2).sum(1))
error = np.hypot(*(np.std(values, ddof=1) / np.sqrt(len(values)) for values in (decoded, integrand)))
report(np.mean(decoded) - np.mean(integrand), error)
