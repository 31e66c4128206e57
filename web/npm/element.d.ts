import type { BackendInfo, Card, Estimate, PofxError, Progress, SampleStep } from "./p-of-x.js";

/**
 * `<p-of-x>`: draws samples of a model and answers how likely a picture is. Parts: `sample`, `asker`, `reading`, `card`, `trainer`, `lab`, `engine`.
 * What is in it is shown until engine and model are there, and where they can't be had.
 */
export class PofxElement extends HTMLElement {
  /** Id of a model, as "mnist-diffusion". */
  model: string;
  /** "generate", "ask" or "lab"; else the first two. */
  task: string;
  /** A whole number, as text. */
  seed: string;
  /** How many samples. */
  n: number;
  /** "drawing" asks about a picture at once, "none" does not. */
  query: string;
  /** "webgpu", "cpu", else what works best. */
  backend: string;
  /** "eager" loads the model at once, else when the element comes into view. */
  loading: string;
  /** What the lab begins with: what stands in the address of the lab's page behind the "#". */
  setting: string;
  /** Asks how likely a picture of 28 x 28 values from 0 to 255 is. */
  ask(pixels: Uint8Array): void;

  addEventListener<K extends keyof PofxEvents>(type: K, listener: (event: PofxEvents[K]) => unknown, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

export interface PofxEvents {
  /** The model's card; null once the models of the lab are there. */
  load: CustomEvent<Card | null>;
  sample: CustomEvent<SampleStep>;
  estimate: CustomEvent<Estimate>;
  progress: CustomEvent<Progress>;
  error: CustomEvent<PofxError>;
  backendchange: CustomEvent<BackendInfo>;
  /** Of the lab: what brings the same back as `setting`; else null. */
  statechange: CustomEvent<string | null>;
}

declare global {
  interface HTMLElementTagNameMap {
    "p-of-x": PofxElement;
  }
}
