// The look of the half that answers.

import { css } from "lit";

export const askerStyles = css`
  :host {
    display: block;
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
  /* Room for what is loaded with the first question. */
  pofx-breakdown:not(:defined) {
    display: block;
    min-height: 24rem;
  }
  @container pofx (max-width: 52rem) {
    pofx-breakdown:not(:defined) {
      min-height: 46rem;
    }
  }
  @container pofx (max-width: 40rem) {
    .ask-grid {
      grid-template-columns: minmax(0, 1fr);
    }
  }
`;
