# log p_data(x) / p_G(x) by the discriminator's logit, calibrated on pictures that it did not learn from: a ratio, no density.
SCALE, OFFSET = {{scale}}, {{offset}}
x = LEVELS / 127.5 - 1.0
logit = float(Program("discriminator")(image=x, **{"class": LABELS})["logit"].ravel()[0])
print(f"{SCALE * logit + OFFSET:.3f} nats more likely in the data than among the model's own pictures")
