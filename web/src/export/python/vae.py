# The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, eq. 8).
K = {{k}}
x = LEVELS / 255.0 if {{binary}} else LEVELS / 127.5 - 1.0
encoder, weigher = Program("encoder"), Program("weigher")
q = encoder(x=x, **{"class": LABELS})
rows, latents = weigher.shapes["eps"]
log_w = []
while len(log_w) < K:
    eps = rng.standard_normal((rows, latents))
    log_w.extend(weigher(x=x, mu=q["mu"], logvar=q["logvar"], eps=eps, **{"class": LABELS})["log_w"].astype(float))
log_w = np.array(log_w)
w = np.exp(log_w - log_w.max())
report(log_w.max() + np.log(w.mean()), w.std(ddof=1) / w.mean() / np.sqrt(len(w)))
