// The look of fields.

import { css } from "lit";

/** Fields to choose and to type in. */
export const fields = css`
  select,
  textarea,
  input:not([type]),
  input[type="number"] {
    min-height: 2.75rem;
    max-width: 100%;
    padding: 0 0.6rem;
    font: inherit;
    color: inherit;
    background: var(--surface);
    border: 1px solid var(--control);
    border-radius: 0.6rem;
  }
`;
