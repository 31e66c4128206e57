// What a worker noticed about stored files, told to the pages that are open. A page without the page's own frame (an embed) says
// nothing: its engine works all the same.

/**
 * @typedef {{ text: string } | { full: true, name: string, bytes: number }} Notice a sentence, or no room for a file of a model
 */

const CHANNEL = "p-of-x storage";
const ASK = "what was told?";

/** @type {BroadcastChannel | undefined} */ let channel;
/** What this worker told; a page that begins to listen later asks for it. @type {Notice[]} */
const told = [];

/** @param {Notice} notice */
export function tell(notice) {
  channel ??= answering();
  told.push(notice);
  channel.postMessage(notice);
}

function answering() {
  const made = new BroadcastChannel(CHANNEL);
  made.onmessage = ({ data }) => data === ASK && told.forEach((notice) => made.postMessage(notice));
  return made;
}

/** @param {(notice: Notice) => void} heard each notice at least once */
export function listen(heard) {
  const listening = new BroadcastChannel(CHANNEL);
  listening.onmessage = ({ data }) => data !== ASK && heard(data);
  listening.postMessage(ASK);
}
