// Parts of the page, which are loaded when they are needed.

/** Where our files are. */
const HERE = new URL(".", import.meta.url).href;

/**
 * Loads a part. Firefox remembers a module that could not be fetched, and refuses it from then on: it is asked for once more, by
 * an address that is new.
 * @param {() => Promise<unknown>} load
 */
export async function part(load) {
  try {
    return await load();
  } catch (thrown) {
    const url = /https?:\S+\.js/.exec(String(thrown))?.[0];
    if (!url?.startsWith(HERE)) throw thrown;
    return import(`${url}?again=${Date.now()}`).catch(() => {
      throw thrown;
    });
  }
}
