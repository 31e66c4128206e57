/**
 * Runs in the page: milliseconds between its frames, ascending, until `<p-of-x>` says `event`, if one is given, or the time is over.
 * @param {{ event?: string, longest: number }} options
 */
export async function frameGaps({ event, longest }) {
  let over = false;
  if (event) document.querySelector("p-of-x").addEventListener(event, () => void (over = true), { once: true });
  const gaps = [];
  const end = performance.now() + longest;
  for (let last = performance.now(); !over && last < end; ) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return gaps.sort((a, b) => a - b);
}
