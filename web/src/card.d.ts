/** What is said of a shipped model, and what its files must be: `models/<id>/card.json`, as `crates/models` writes it. */
export interface Card {
  id: string;
  title: string;
  family: string;
  data: { name: string; source: string; licence: string; preparation: string };
  parametric_form: string;
  loss: string;
  optimiser: string;
  parameters: number;
  licence: string;
  references: string[];
  /** Sizes of the network, which differ between families. */
  network: Record<string, unknown>;
  /** `placement`: whether a picture is taken for ink to be centred, as in MNIST, or as a whole. */
  image: { channels: number; size: number; placement: "ink" | "whole" };
  labels: { name: string; values: string[]; offered: number[] }[];
  controls: Control[];
  weights: FileCard;
  golden: FileCard;
  /** Picture of 100 samples, as they came. */
  sheet: string | null;
  /** How good the model is; null: nobody has measured it yet. */
  metrics: Metrics | null;
  /** Scores by the same estimator, ascending, in nats. */
  reference: {
    estimator: string;
    k: number;
    held_out: number[];
    own: number[];
    /** Pictures that are not of the data, and how well they are told from test pictures. */
    others?: { name: string; nats: number[]; auroc: { surprise: number; typicality: number; complexity: number } }[];
    /** Bits per value of held-out pictures less those of a lossless coder, ascending. */
    complexity?: number[];
  } | null;
  /** How a GAN's discriminator is read: log p_data(x)/p_G(x) = scale D(x) + offset; `auc` says how much that is worth. */
  calibration?: { scale: number; offset: number; images: number; samples: number; auc: number; log_loss: number; command: string };
}

/** Fit to the test set, the quality of samples (further numbers by name), and the command that printed them. */
export interface Metrics {
  images: number;
  /** What `nats` is to log p(x), or why there is no number. */
  kind: string;
  estimator: string;
  nats?: number;
  std_error?: number;
  bits_per_dim?: number;
  elbo_nats?: number;
  /** Mean of log p(x) where `nats` is log p(x | labels). */
  unlabelled_nats?: number;
  command: string;
  /** Printed the figures of the samples, where that was another run. */
  samples_command?: string;
  [name: string]: unknown;
}

/** A control signal: what a model can be told while it draws. */
export type Control = { name: string; help: string } & (
  | { kind: "number"; min: number; max: number; default: number }
  | { kind: "count"; min: number; max: number; default: number | null }
  | { kind: "choice"; options: string[]; default: string }
  | { kind: "switch"; default: boolean }
  | { kind: "label"; values: string[] }
  | { kind: "latent"; size: number }
  | { kind: "picture" }
  | { kind: "mask" }
);

/** A file beside the card. */
export interface FileCard {
  file: string;
  bytes: number;
  sha256: string;
}

/** A line of `models/models.json`: what the page knows of a model before it opens it. */
export interface Listed {
  id: string;
  title: string;
  family: string;
  /** Name of the data set. */
  data: string;
  /** Bytes that are downloaded to open it. */
  bytes: number;
  sheet: string | null;
  image: Card["image"];
  /** Whether its pictures are black and white. */
  binary: boolean;
  /** Whether a device keeps it after the first visit without being asked. */
  offline: boolean;
}
