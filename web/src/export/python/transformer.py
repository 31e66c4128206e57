# The chain rule: all terms of the sum from one evaluation.
PALETTE = np.array({{palette}})
tokens = LEVELS
if len(PALETTE) > 0:
    # Pixels as numbers of the nearest colours.
    distance = ((LEVELS.reshape(3, -1).T[:, None, :].astype(int) - PALETTE[None]) ** 2).sum(-1)
    tokens = distance.argmin(1)
surprise = Program("scorer")(tokens=tokens, **{"class": LABELS})["surprise"].astype(float)
nats = -surprise.sum()
print(f"{nats:.3f} nats, exact, {-nats / np.log(2) / surprise.size:.4f} bits per pixel")
