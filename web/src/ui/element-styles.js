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
  .note {
    color: inherit;
    background: var(--surface);
    border-color: var(--line);
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
    grid-template-columns: minmax(0, 1fr);
    gap: 1.5rem;
  }
  .panel {
    padding: 1.4rem 1.5rem 1.6rem;
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: 1rem;
  }
  [hidden] {
    display: none;
  }
  /* Room for a half that is being loaded, so that nothing below it jumps into view and out of it. */
  .coming .panel {
    position: relative;
  }
  .coming :is(pofx-sampler, pofx-asker) {
    display: block;
    min-height: 56rem;
    visibility: hidden;
  }
  .meanwhile {
    position: absolute;
    margin: 0;
    width: min(30rem, 100% - 3rem);
  }
  .meanwhile img {
    display: block;
    max-width: 100%;
    height: auto;
    border-radius: 0.6rem;
    image-rendering: pixelated;
  }
  figcaption {
    margin-bottom: 0.6rem;
    color: var(--muted);
    font-size: 0.9375rem;
  }
  pofx-model-card {
    margin-top: 1.6rem;
  }
  pofx-model-card:not(:defined) {
    display: block;
    min-height: 2.625rem;
  }
  summary {
    width: fit-content;
    padding-block: 0.5rem;
    cursor: pointer;
    font: 500 1.25rem/1.3 var(--serif);
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
  @container pofx (max-width: 40rem) {
    .panel {
      padding: 1.1rem 1rem 1.3rem;
    }
  }
`;
