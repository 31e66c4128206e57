// The look of the lab around its cards.

import { css } from "lit";

export const labStyles = css`
  :host {
    display: block;
    margin: 0;
  }
  h2 {
    margin: 0 0 0.6rem;
    font: 500 1.4rem/1.25 var(--serif);
  }
  .panel {
    margin-bottom: 1.4rem;
    padding: 1.2rem;
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: 0.9rem;
  }
  .tools {
    align-items: center;
  }
  .tools label {
    display: inline-flex;
    align-items: center;
    gap: 0.45rem;
    min-height: 2.75rem;
  }
  .bar {
    position: sticky;
    top: 0;
    z-index: 2;
    margin-bottom: 1rem;
    padding-block: 0.5rem;
    background: var(--bg);
  }
  pofx-steer {
    margin-bottom: 0.8rem;
  }
  input[type="checkbox"] {
    width: 1.25rem;
    height: 1.25rem;
    accent-color: var(--accent);
  }
  .sets {
    width: 11rem;
  }
  .seed {
    width: 5.5rem;
  }
  .sub {
    margin: 0.6rem 0 0;
    color: var(--muted);
    font-size: 0.9375rem;
  }
  .trouble {
    margin: 0.8rem 0 0;
    padding: 0.6rem 0.8rem;
    color: var(--bad);
    background: var(--bad-tint);
    border-radius: 0.6rem;
  }
  .cards {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr));
    align-items: start;
    gap: 1rem;
    margin-bottom: 1.4rem;
  }
  .large {
    grid-column: 1 / -1;
    max-width: 44rem;
  }
  .legend span {
    display: inline-block;
    margin: 0 0.3em 0 0.8em;
    vertical-align: middle;
  }
  .dot {
    width: 4px;
    height: 4px;
    background: var(--text);
  }
  .ring {
    width: 9px;
    height: 9px;
    border: 1.5px solid var(--text);
  }
  .disc {
    width: 8px;
    height: 8px;
    background: var(--accent);
    border-radius: 50%;
  }
  .cross {
    width: 11px;
    height: 11px;
    background: linear-gradient(var(--text), var(--text)) center / 2px 100% no-repeat, linear-gradient(var(--text), var(--text)) center / 100% 2px no-repeat;
  }
`;
