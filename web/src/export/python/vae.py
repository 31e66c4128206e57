# The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8).
K, RUNS = {{k}}, {{runs}}
x = LEVELS / 255.0 if {{binary}} else LEVELS / 127.5 - 1.0
encoder, weigher = Program("encoder"), Program("weigher")
q = encoder(x=x, **{"class": LABELS})
rows, latents = weigher.shapes["eps"]
bounds = []
for _ in range(RUNS):
    log_w = []
    while len(log_w) < K:
        eps = rng.standard_normal((rows, latents))
        log_w.extend(weigher(x=x, mu=q["mu"], logvar=q["logvar"], eps=eps, **{"class": LABELS})["log_w"].astype(float))
    bounds.append(np.max(log_w) + np.log(np.mean(np.exp(log_w - np.max(log_w)))))
report(np.mean(bounds), np.std(bounds, ddof=1) / np.sqrt(RUNS))
