// The look of small tables with a row of tools above.

import { css } from "lit";

export const tables = css`
  :host {
    display: block;
    margin-top: 1.4rem;
  }
  h3 {
    margin: 0 0 0.5rem;
    font: 500 1rem/1.4 var(--sans);
  }
  .tools {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem;
  }
  .scroll {
    overflow-x: auto;
  }
  table {
    width: 100%;
    margin-top: 0.7rem;
    border-collapse: collapse;
    font-size: 0.9375rem;
    font-variant-numeric: tabular-nums;
  }
  caption:not(.hidden) {
    padding-bottom: 0.2rem;
    text-align: left;
  }
  th,
  td {
    padding: 0.35rem 0.9rem 0.35rem 0;
    border-bottom: 1px solid var(--line);
    font-weight: 400;
    text-align: left;
    vertical-align: top;
  }
  thead th {
    color: var(--muted);
  }
  .number {
    text-align: right;
    white-space: nowrap;
  }
  .note {
    margin: 0.5rem 0 0;
    color: var(--muted);
    font-size: 0.9375rem;
    text-wrap: pretty;
  }
`;
