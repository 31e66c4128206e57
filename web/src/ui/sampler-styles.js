// The look of the half that samples.

import { css } from "lit";

export const samplerStyles = css`
  :host {
    display: block;
  }
  h2 {
    margin: 0;
    font: 500 1.6rem/1.25 var(--serif);
    letter-spacing: -0.005em;
  }
  h3 {
    margin: 0;
    font: 500 1.1rem/1.4 var(--sans);
  }
  .sub {
    margin: 0.3rem 0 1.1rem;
    color: var(--muted);
    text-wrap: pretty;
  }
  .progress {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.3rem 0.8rem;
    min-height: 2.75rem;
    margin-top: 0.5rem;
    color: var(--muted);
    font-size: 0.9375rem;
    font-variant-numeric: tabular-nums;
  }
  .progress button {
    margin-left: auto;
    min-height: 2.4rem;
  }
  .notices {
    margin: 0 0 0.8rem;
    padding-left: 1.1em;
    color: var(--muted);
    font-size: 0.9375rem;
  }
  progress {
    flex: 1 1 4rem;
    max-width: 8rem;
    height: 0.5rem;
    accent-color: var(--accent);
  }
  .which {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
    margin: 0 0 0.8rem;
    padding: 0;
    border: 0;
  }
  .which label {
    display: inline-flex;
    align-items: center;
    gap: 0.5rem;
    min-height: 2.4rem;
    padding: 0 0.9rem 0 0.7rem;
    border: 1px solid var(--control);
    border-radius: 0.6rem;
    cursor: pointer;
  }
  .which label:has(:checked) {
    border-color: var(--accent);
    background: var(--tint);
  }
  .which input {
    width: 1.1rem;
    height: 1.1rem;
    margin: 0;
    accent-color: var(--accent);
  }
  sub {
    line-height: 0;
  }
  pofx-film {
    margin-bottom: 0.8rem;
  }
  .halves {
    display: grid;
    grid-template-columns: minmax(0, 5fr) minmax(0, 7fr);
    gap: 1.5rem 2.2rem;
    align-items: start;
  }
  .halves.compared {
    grid-template-columns: minmax(0, 7fr) minmax(0, 6fr);
  }
  .grids {
    display: grid;
    grid-auto-flow: column;
    grid-auto-columns: minmax(0, 1fr);
    gap: 1rem;
    align-items: start;
  }
  .grids .head {
    min-height: 2.75rem;
    margin: 0;
  }
  .side {
    display: grid;
    gap: 1.2rem;
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    margin-bottom: 0.5rem;
  }
  @container pofx (max-width: 56rem) {
    .halves,
    .halves.compared {
      grid-template-columns: minmax(0, 1fr);
    }
    .grids:not(.compared .grids),
    pofx-film,
    .progress,
    pofx-seed {
      max-width: 30rem;
    }
  }
`;
