// What all parts of the element share. Colours and fonts come from custom properties of the page, with defaults, so
// that the element also looks right on a page that sets none.

import { css } from "lit";

export const shared = css`
  :host {
    --serif: var(--pofx-serif, Charter, "Iowan Old Style", Georgia, serif);
    --sans: var(--pofx-sans, system-ui, sans-serif);
    --bg: var(--pofx-bg, light-dark(#faf8f4, #15171b));
    --surface: var(--pofx-surface, light-dark(#fff, #1c1f25));
    --sunken: var(--pofx-sunken, light-dark(#f3f0e9, #101215));
    --text: var(--pofx-text, light-dark(#201e1b, #ebe8e1));
    --muted: var(--pofx-muted, light-dark(#5f5b53, #aaa69d));
    --line: var(--pofx-line, light-dark(#e2ddd2, #31353d));
    --control: var(--pofx-control, light-dark(#8a857a, #747a86));
    --accent: var(--pofx-accent, light-dark(#28528f, #9cbcf5));
    --on-accent: var(--pofx-on-accent, light-dark(#fff, #10131a));
    --tint: var(--pofx-tint, light-dark(#e8eef8, #232d3f));
    --second: var(--pofx-second, light-dark(#a4541b, #e8a06a));
    --good: var(--pofx-good, light-dark(#22703f, #7fce9b));
    --bad: var(--pofx-bad, light-dark(#a02828, #ff9d94));
    --bad-tint: var(--pofx-bad-tint, light-dark(#fbeceb, #3a2323));
    color: var(--text);
    font-family: var(--sans);
  }
  :host([hidden]) {
    display: none;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  i,
  .math {
    font-family: var(--serif);
  }
  button,
  input,
  .button {
    font: inherit;
    color: inherit;
  }
  button,
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.45em;
    min-height: 2.75rem;
    padding: 0 1rem;
    background: var(--surface);
    border: 1px solid var(--control);
    border-radius: 0.6rem;
    cursor: pointer;
    white-space: nowrap;
  }
  button:hover,
  .button:hover {
    border-color: var(--text);
  }
  button:disabled {
    opacity: 0.5;
    cursor: default;
  }
  button.primary {
    color: var(--on-accent);
    background: var(--accent);
    border-color: var(--accent);
    font-weight: 500;
  }
  button.quiet {
    color: var(--accent);
    background: none;
    border-color: transparent;
    padding-inline: 0.6rem;
  }
  button.quiet:hover {
    text-decoration: underline;
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
    }
  }
`;

/** What opens more below an answer: as quiet as a link. */
export const disclosure = css`
  summary {
    width: fit-content;
    padding-block: 0.35rem;
    color: var(--accent);
    cursor: pointer;
  }
`;
