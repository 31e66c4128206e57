/** What a number is to log p(x). */
export type Kind =
  | "exact"
  | "lower_bound"
  | "upper_bound"
  | "stochastic"
  | "density_ratio"
  | { undefined: string };

/** How an answer is made: by the family's own estimator, or by another that `model.estimators` lists. */
export type Estimator = "own" | "laplace" | "ais" | "quadrature" | "flow" | "ratio";

/** An answer to "how likely is x?", as `crates/likelihood` makes it. */
export interface Estimate {
  /** log p(x), or the bound on it, in nats; log p_data(x)/p_G(x) where `kind` is "density_ratio". */
  nats: number;
  /**
   * Its Monte Carlo error: of a bound that is the mean of several runs, about that bound, else about log p(x). Null where there is
   * none, and where so few samples decide that it can't be told.
   */
  std_error: number | null;
  /** What `nats` is to log p(x). */
  kind: Kind;
  /** -nats / (D ln 2); NaN where the kind has none: a density ratio, and what is undefined. */
  bits_per_dim: number;
  /** How it was made, as "IWAE k=64". */
  estimator: string;
  /** Number of importance samples, of one run where several are averaged. */
  k: number;
  effective_samples: number | null;
  /** elbo = reconstruction - kl. */
  parts: { elbo: number; elbo_std_error: number; reconstruction: number; kl: number } | null;
  /** Surprise of each pixel, in nats; what it sums to is said in `assumptions`. Empty where an estimator knows the whole picture only. */
  terms: Float32Array;
  /** Evaluations of the network. */
  n_evals: number;
  /** What the number rests on. */
  assumptions: string[];
  /** Where the number stands among those of other pictures. */
  place: Place;
}

/** Percentages of other pictures, scored in the same way; null and empty where there are no such scores. */
export interface Place {
  /** Of the model's own samples, those that are less likely. */
  own: number | null;
  /** Of held-out data, those that are less likely. */
  held_out: number | null;
  /** Of held-out data, those whose score is nearer to their mean: at 95 and more the picture is not typical. */
  nearer: number | null;
  /** Bits per value less those that a lossless coder takes (Serrà et al. 2020). */
  complexity_score: number | null;
  /** Of held-out data, those whose complexity score is lower: high for what is not like the data. */
  complexity: number | null;
  /** Of sets that are not of the data, as "uniform noise", those that are less likely. */
  others: { name: string; percentile: number }[];
}
