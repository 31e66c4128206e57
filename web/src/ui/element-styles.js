// The layout of <p-of-x>.

import { css } from "lit";

export const elementStyles = css`
  :host {
    display: block;
    container: pofx / inline-size;
    outline: none;
  }
  .top {
    margin-bottom: 0.9rem;
  }
  .progress {
    display: flex;
    align-items: center;
    gap: 0.8rem;
    font-variant-numeric: tabular-nums;
  }
  progress {
    width: 8rem;
    height: 0.5rem;
    accent-color: var(--accent);
  }
  .alert {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem 1rem;
    margin-bottom: 1rem;
    padding: 0.5rem 0.6rem 0.5rem 1.1rem;
    color: var(--bad);
    background: var(--bad-tint);
    border: 1px solid currentColor;
    border-radius: 0.7rem;
  }
  .alert p {
    margin: 0;
    flex: 1 1 16rem;
    overflow-wrap: anywhere;
  }
  .alert button.quiet {
    color: inherit;
  }
  .panels {
    display: grid;
    grid-template-columns: minmax(0, 5fr) minmax(0, 11fr);
    gap: 1.5rem;
    align-items: start;
  }
  .column {
    display: grid;
    gap: 1.5rem;
  }
  .panel {
    padding: 1.4rem 1.5rem 1.6rem;
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: 1rem;
  }
  h2 {
    margin: 0;
    font: 500 1.6rem/1.25 var(--serif);
    letter-spacing: -0.005em;
  }
  .sub {
    margin: 0.3rem 0 1.1rem;
    color: var(--muted);
    text-wrap: pretty;
  }
  h3 {
    margin: 1.3rem 0 0.5rem;
    font: 500 1rem/1.4 var(--sans);
  }
  .controls {
    display: grid;
    grid-template-columns: auto minmax(0, 1fr) auto auto;
    align-items: center;
    gap: 0.6rem;
    margin-top: 1.1rem;
  }
  .controls input {
    min-height: 2.75rem;
    width: 100%;
    padding: 0 0.8rem;
    background: var(--surface);
    border: 1px solid var(--control);
    border-radius: 0.6rem;
    font-variant-numeric: tabular-nums;
  }
  .controls input[aria-invalid="true"] {
    border-color: var(--bad);
  }
  .dice {
    padding: 0;
    width: 2.75rem;
  }
  .dice svg {
    width: 1.5rem;
    height: 1.5rem;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.6;
  }
  .dice circle {
    fill: currentColor;
    stroke: none;
  }
  .check {
    display: flex;
    gap: 0.6rem;
    align-items: flex-start;
    margin-top: 0.9rem;
    color: var(--muted);
    font-size: 0.9375rem;
    cursor: pointer;
  }
  .check input {
    width: 1.5rem;
    height: 1.5rem;
    margin: 0;
    flex: none;
    accent-color: var(--accent);
  }
  .ask-grid {
    display: grid;
    grid-template-columns: minmax(0, 17.5rem) minmax(0, 1fr);
    gap: 1.8rem;
  }
  .caption {
    margin: 0.4rem 0 0;
    min-height: 1.5em;
    color: var(--muted);
    font-size: 0.9375rem;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .tools {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem;
    margin-top: 0.8rem;
  }
  .question .tools button {
    flex: 1;
  }
  .examples {
    --gap: 0.35rem;
  }
  button:disabled {
    opacity: 0.5;
    cursor: default;
  }
  pofx-model-card {
    margin-top: 1.6rem;
  }
  .drop {
    position: fixed;
    inset: 0;
    display: grid;
    place-items: center;
    background: color-mix(in srgb, var(--bg) 85%, transparent);
    border: 4px dashed var(--accent);
    font: 500 1.6rem/1.3 var(--serif);
    pointer-events: none;
    z-index: 1;
  }
  @container pofx (max-width: 62rem) {
    .panels {
      grid-template-columns: minmax(0, 1fr);
    }
    .column {
      display: contents;
    }
    pofx-reading {
      order: 1;
    }
    .sample pofx-picture-list {
      max-width: 30rem;
    }
    .controls {
      max-width: 30rem;
    }
  }
  @container pofx (max-width: 40rem) {
    .panel {
      padding: 1.1rem 1rem 1.3rem;
    }
    .ask-grid {
      grid-template-columns: minmax(0, 1fr);
    }
  }
`;
