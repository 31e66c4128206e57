// The look of a model's controls.

import { css } from "lit";

export const controlStyles = css`
  :host {
    display: block;
  }
  .rows {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr));
    gap: 0.9rem 2rem;
    align-items: start;
    margin-bottom: 0.9rem;
  }
  .row {
    display: grid;
    grid-template-columns: 6.5rem minmax(0, 1fr);
    gap: 0.1rem 1rem;
    align-items: center;
  }
  .row.switch {
    grid-template-columns: minmax(0, 1fr) auto;
  }
  label {
    font-weight: 500;
  }
  .field {
    display: flex;
    align-items: center;
    gap: 0.8rem;
  }
  .help,
  .error {
    grid-column: 1 / -1;
    margin: 0;
    font-size: 0.9375rem;
    line-height: 1.4;
    color: var(--muted);
    text-wrap: pretty;
  }
  .error {
    color: var(--bad);
  }
  .row button {
    grid-column: 1 / -1;
    justify-self: start;
    margin-left: -0.6rem;
    min-height: 2.2rem;
  }
  pofx-class-pictures {
    grid-column: 1 / -1;
    --gap: 0.3rem;
  }
  input[type="range"] {
    flex: 1;
    min-width: 4rem;
    height: 2rem;
    margin: 0;
    accent-color: var(--accent);
  }
  input[type="text"],
  select {
    min-height: 2.5rem;
    padding: 0 0.6rem;
    background: var(--surface);
    border: 1px solid var(--control);
    border-radius: 0.6rem;
    font-variant-numeric: tabular-nums;
  }
  input[type="text"] {
    width: 4.6rem;
  }
  select {
    font: inherit;
    color: inherit;
    width: 100%;
  }
  input[type="checkbox"] {
    width: 1.5rem;
    height: 1.5rem;
    margin: 0;
    accent-color: var(--accent);
  }
  [aria-invalid="true"] {
    border-color: var(--bad);
  }
  .large {
    border-top: 1px solid var(--line);
  }
  details {
    border-bottom: 1px solid var(--line);
    padding-bottom: 0.2rem;
  }
  details[open] {
    padding-bottom: 1rem;
  }
  summary {
    padding-block: 0.6rem;
    cursor: pointer;
    font-weight: 500;
  }
  .state {
    margin-left: 0.7rem;
    color: var(--muted);
    font-weight: 400;
    font-size: 0.9375rem;
  }
  details .help,
  details .error {
    margin-bottom: 0.7rem;
  }
`;
