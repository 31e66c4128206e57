// What a worker noticed about stored files, told to the pages that are open. A page without the page's own frame (an embed) says
// nothing: its engine works all the same.

/**
 * @typedef {{ text: string } | { full: true, name: string, bytes: number }} Notice a sentence, or no room for a file of a model
 */

const CHANNEL = "p-of-x storage";

/** @param {Notice} notice */
export function tell(notice) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(notice);
  channel.close();
}

/** @param {(notice: Notice) => void} heard */
export function listen(heard) {
  new BroadcastChannel(CHANNEL).onmessage = ({ data }) => heard(data);
}
