/** What a number is to log p(x). */
export type Kind =
  | "exact"
  | "lower_bound"
  | "upper_bound"
  | "stochastic"
  | "density_ratio"
  | { undefined: string };

/** How an answer is made: by the family's own estimator, or by another that `model.estimators` lists. */
export type Estimator = "own" | "laplace" | "ais" | "quadrature" | "flow";

/** An answer to "how likely is x?", as `crates/likelihood` makes it. */
export interface Estimate {
  /** log p(x), or the bound on it, in nats. */
  nats: number;
  /** Its Monte Carlo error; null where there is none. */
  std_error: number | null;
  /** What `nats` is to log p(x). */
  kind: Kind;
  bits_per_dim: number;
  /** How it was made, as "IWAE k=64". */
  estimator: string;
  /** Number of importance samples. */
  k: number;
  effective_samples: number | null;
  /** elbo = reconstruction - kl. */
  parts: { elbo: number; elbo_std_error: number; reconstruction: number; kl: number } | null;
  /** Surprise of each pixel, in nats. */
  terms: Float32Array;
  /** Evaluations of the network. */
  n_evals: number;
  /** What the number rests on. */
  assumptions: string[];
  percentile_own: number | null;
  percentile_held_out: number | null;
  /** Percentage of held-out data whose score is nearer to their mean: at 95 and more the picture is not typical. */
  percentile_nearer: number | null;
}
