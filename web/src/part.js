// Parts of the page, which are loaded when they are needed.

/** Where our files are. */
const HERE = new URL(".", import.meta.url).href;

/** Parts that were asked for once more, by their addresses. @type {Map<string, Promise<unknown>>} */
const again = new Map();

/**
 * Loads a part. Firefox remembers a module that could not be fetched, and refuses it from then on: it is asked for once more, by
 * an address that is new. Once it has come so, it stays that module: another one would be the part a second time.
 * @param {() => Promise<unknown>} load
 */
export async function part(load) {
  try {
    return await load();
  } catch (thrown) {
    const url = /https?:\S+\.js/.exec(String(thrown))?.[0];
    if (!url?.startsWith(HERE)) throw thrown;
    const loading = again.get(url) ?? import(`${url}?again=${Date.now()}`);
    again.set(url, loading);
    return loading.catch(() => {
      again.delete(url);
      throw thrown;
    });
  }
}
