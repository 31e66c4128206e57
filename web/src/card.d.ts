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
  network: { latents: number; hidden: number; channels: number };
  weights: FileCard;
  golden: FileCard;
  metrics: {
    images: number;
    elbo_nats: number;
    iwae_nats: number;
    iwae_k: number;
    iwae_std_error: number;
    command: string;
  };
  /** Scores by the same estimator, ascending, in nats. */
  reference: { estimator: string; k: number; held_out: number[]; own: number[] };
}

/** A file beside the card. */
export interface FileCard {
  file: string;
  bytes: number;
  sha256: string;
}
