// Made from crates/playground/src/protocol.rs by its test `types`; UPDATE=1 writes it anew.

import type { Control } from "./card.d.ts";
import type { Estimate, Estimator, Kind } from "./estimate.d.ts";

export type LabFamily = "truth" | "gaussian" | "mixture" | "kernel" | "vae" | "gan" | "diffusion" | "transformer";
export type LabPlayer = "both" | "discriminator" | "generator";
export type LabMoves = { player: LabPlayer; steps: number };

/**
 * What the page asks for.
 */
export type Command = { type: "open"; model: string; backend: BackendChoice } | { type: "sample"; model: number; n: number; first: number; count: number; seed: number; settings: Record<string, number | string | boolean | null> } | { type: "encode"; model: number; seed: number; settings: Record<string, number | string | boolean | null> } | { type: "log-prob"; model: number; estimator: Estimator; budget: Budget; precision: number | undefined; seed: number; settings: Record<string, number | string | boolean | null> } | { type: "posterior"; model: number; label: string | undefined; estimator: Estimator; budget: Budget; seed: number; settings: Record<string, number | string | boolean | null> } | { type: "prepare"; model: number } | { type: "train"; model: number; course: Course } | { type: "export"; model: number } | { type: "lab"; command: LabCommand } | { type: "close"; model: number } | { type: "panic"; after: number };

/**
 * A course of training, or the part of it after step `from` up to step `until`: parts make the same weights as the whole.
 */
export interface Course {
    /**
     * Number of steps of the whole course.
     */
    steps: number;
    /**
     * Steps that were made before.
     */
    from: number;
    /**
     * The last step of this part.
     */
    until: number;
    /**
     * Whether the course begins with weights that are drawn from the seed, not with those of the model.
     */
    fresh: boolean;
    /**
     * Images a step.
     */
    batch: number;
    /**
     * Learning rate of Adam.
     */
    rate: number;
    /**
     * Seed of the order of the images and of all noise.
     */
    seed: number;
}

/**
 * Which engine the page wants.
 */
export type BackendChoice = "auto" | "webgpu" | "cpu";

/**
 * How much work an answer is worth.
 */
export type Budget = "fast" | "precise";

/**
 * What the engine says while a command runs. `Done` or `Error` is the last event.
 */
export type Event = { type: "started" } | { type: "progress"; progress: Progress } | { type: "sampled"; step: SampleStep } | { type: "trained"; step: TrainStep } | { type: "backend"; backend: BackendInfo } | { type: "done"; reply: Reply } | { type: "error"; code: string; message: string; recoverable: boolean };

/**
 * How far a job is.
 */
export interface Progress {
    /**
     * What is being done.
     */
    phase: Phase;
    /**
     * How much of it is done.
     */
    done: number;
    /**
     * Of how much.
     */
    total: number;
    /**
     * Bytes that have been downloaded.
     */
    bytes: number;
    /**
     * Seconds left at the present pace.
     */
    seconds_left: number;
    /**
     * The answer to a question so far.
     */
    so_far?: SoFar;
}

/**
 * An answer that is still being made.
 */
export interface SoFar {
    /**
     * What the estimator says of log p(x) by now: the mean of the samples so far; of chains that are being annealed,
     * at their present temperature; of paths of the probability flow, as if only noise came from there on.
     */
    nats: number;
    /**
     * Its standard error; nothing where it can't be told yet.
     */
    std_error: number | undefined;
}

/**
 * What a job is doing.
 */
export type Phase = "download" | "self-test" | "compile" | "sample" | "encode" | "log-prob" | "train";

/**
 * A step of sampling.
 */
export interface SampleStep {
    /**
     * Always `Sample`.
     */
    phase: Phase;
    /**
     * Pictures that are done.
     */
    done: number;
    /**
     * Pictures that were asked for.
     */
    total: number;
    /**
     * Always 0.
     */
    bytes: number;
    /**
     * Seconds left at the present pace.
     */
    seconds_left: number;
    /**
     * Width of a picture.
     */
    width: number;
    /**
     * Height of a picture.
     */
    height: number;
    /**
     * 1 for grey, 3 for colour.
     */
    channels: number;
    /**
     * Finished steps of the pictures in work.
     */
    step: number;
    /**
     * Of how many.
     */
    steps: number;
    /**
     * What was done to the pictures that were given: one plain sentence each.
     */
    notices: string[];
}

/**
 * A step of training.
 */
export interface TrainStep {
    /**
     * Always `Train`.
     */
    phase: Phase;
    /**
     * Steps that are made.
     */
    done: number;
    /**
     * Steps that were asked for.
     */
    total: number;
    /**
     * Always 0.
     */
    bytes: number;
    /**
     * Seconds left at the present pace.
     */
    seconds_left: number;
    /**
     * The loss that is minimised, on the images of this step; a VAE's is the negative bound in nats an image.
     */
    loss: number;
}

/**
 * The engine that runs.
 */
export interface BackendInfo {
    /**
     * Which.
     */
    name: BackendName;
    /**
     * Whether it was compared with the model's golden outputs, and agreed.
     */
    verified: boolean;
    /**
     * Why this one: one plain sentence.
     */
    reason: string;
}

/**
 * The engines.
 */
export type BackendName = "webgpu" | "cpu";

/**
 * The answer to a command.
 */
export type Reply = { type: "opened"; model: number; card: string; estimators: Estimator[]; backend: BackendInfo } | { type: "armed" } | { type: "sampled" } | { type: "prepared"; notices: string[] } | { type: "trained" } | { type: "exported" } | { type: "encoded"; distance: number; notices: string[] } | { type: "estimate"; estimate: Estimate; scored: Scored } | { type: "posterior"; posterior: Posterior; notices: string[] } | { type: "lab"; reply: LabReply } | { type: "closed" };

/**
 * The picture that was scored.
 */
export interface Scored {
    /**
     * Width.
     */
    width: number;
    /**
     * Height.
     */
    height: number;
    /**
     * 1 for grey, 3 for colour.
     */
    channels: number;
    /**
     * What was done to the picture that came: one plain sentence each.
     */
    notices: string[];
    /**
     * Seed with which grey levels became black and white.
     */
    seed: number;
}

/**
 * p(value | x) of each value of a label, by Bayes' rule with all values alike before x is seen.
 */
export interface Posterior {
    /**
     * Name of the label.
     */
    label: string;
    /**
     * How each log p(x | value) was made.
     */
    estimator: string;
    /**
     * What each `nats` is to log p(x | value): the probabilities are exact only where it is.
     */
    kind: Kind;
    /**
     * The values, by number.
     */
    values: Share[];
}

/**
 * One value of a label.
 */
export interface Share {
    /**
     * Its name.
     */
    value: string;
    /**
     * p(value | x).
     */
    probability: number;
    /**
     * log p(x | value), or the bound on it.
     */
    nats: number;
    /**
     * The standard error of `nats`, where it has one.
     */
    std_error: number | null;
}

/**
 * What the lab asks for.
 */
export type LabCommand = { ask: "catalogue" } | { ask: "data"; source: DataSource; n: number; seed: number } | { ask: "add"; data: number; family: LabFamily; settings: Record<string, number | string | boolean | null>; seed: number; backend: BackendChoice } | { ask: "train"; model: number; steps: number; player: LabPlayer } | { ask: "held-out"; model: number } | { ask: "field"; model: number; n: number; how: How } | { ask: "sample"; model: number; n: number; seed: number; how: How } | { ask: "log-p"; model: number; how: How } | { ask: "probe"; model: number; x: [number, number]; how: How } | { ask: "picture"; model: number; x: [number, number]; time: number; seed: number } | { ask: "export"; model: number; format: Format } | { ask: "drop"; data: number } | { ask: "remove"; model: number };

/**
 * Where data come from.
 */
export type DataSource = { from: "set"; id: string } | { from: "points" } | { from: "csv"; text: string };

/**
 * Files of a model.
 */
export type Format = "safetensors" | "onnx";

/**
 * What is wanted of samples and densities.
 */
export interface How {
    /**
     * Number of a class.
     */
    class?: number | null;
    /**
     * Scale of the noise that samples start from.
     */
    temperature?: number;
    /**
     * How much samples follow their class.
     */
    guidance?: number;
    /**
     * Coordinates that are given.
     */
    fixed?: [number | null, number | null];
}

/**
 * What the lab is answered.
 */
export type LabReply = { answer: "catalogue"; families: LabForm[]; sets: LabSet[] } | { answer: "data"; data: number; name: string; classes: string[]; axes: [string, string]; notices: string[]; window: [[number, number], [number, number]]; truth: boolean } | { answer: "added"; model: number; chips: Chips; backend: BackendInfo } | { answer: "trained"; step: number; moves: LabMoves[]; losses: Loss[]; diverged: string | undefined; backend: BackendInfo } | { answer: "held-out"; nats: number; std_error: number | null; kind: Kind; estimator: string; points: number; impossible: number } | { answer: "values"; kind: Kind; estimator: string } | { answer: "probe"; nats: number; std_error: number | null; kind: Kind; estimator: string; assumptions: string[]; n_evals: number; own: number; score: [number, number] | null } | { answer: "picture"; layers: LayerShape[] } | { answer: "exported"; files: FileName[] } | { answer: "removed" };

/**
 * A family of the lab.
 */
export interface LabForm {
    /**
     * Its id.
     */
    family: LabFamily;
    /**
     * For people.
     */
    title: string;
    /**
     * What it is made of where nothing is set.
     */
    chips: Chips;
    /**
     * Whether it knows the classes of labelled data.
     */
    classes: boolean;
}

/**
 * Form, loss and optimiser of a model.
 */
export interface Chips {
    /**
     * The parametric form of p(x).
     */
    form: Chip;
    /**
     * What is minimised.
     */
    loss: Chip;
    /**
     * How.
     */
    optimiser: Chip;
}

/**
 * One of them.
 */
export interface Chip {
    /**
     * In words.
     */
    words: string;
    /**
     * In plain text.
     */
    equation: string;
    /**
     * What can be told it.
     */
    controls: Control[];
}

/**
 * Data of the lab.
 */
export interface LabSet {
    /**
     * Its id.
     */
    id: string;
    /**
     * For people.
     */
    title: string;
    /**
     * Whether they were measured.
     */
    real: boolean;
}

/**
 * A part of what is minimised.
 */
export interface Loss {
    /**
     * Its name.
     */
    name: string;
    /**
     * Its value.
     */
    value: number;
}

/**
 * A file of a model.
 */
export interface FileName {
    /**
     * Under which its bytes travel.
     */
    part: string;
    /**
     * What it is called.
     */
    name: string;
}

/**
 * A layer of a picture.
 */
export interface LayerShape {
    /**
     * Its name, under which its values travel.
     */
    name: string;
    /**
     * Its shape.
     */
    shape: number[];
}
