// Verified files in the origin private file system, named by their checksum; where a browser has none, in the Cache API. Every
// failure here (private mode, old browser) only means that the next visit downloads again: the caller has the bytes in memory.

const FOLDER = "p-of-x";
/** The Cache of cards of models whose files are here, and of pictures that were seen, for visits without a network. */
export const MODEL_FILES = "p-of-x cards";

/** What is written of a file while it arrives. */
export class Part {
  /** @type {any} a FileSystemSyncAccessHandle, which TypeScript's library for pages does not have */ #access;
  /** @type {any} */ #handle;
  /** Bytes written. */
  length;

  /** @param {any} handle @param {any} access */
  constructor(handle, access) {
    this.#handle = handle;
    this.#access = access;
    this.length = access.getSize();
  }

  /** What is there already. @param {Uint8Array} bytes filled from its start */
  read(bytes) {
    this.#access.read(bytes, { at: 0 });
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    const written = this.#access.write(bytes, { at: this.length });
    if (written !== bytes.length) throw new Error("no room");
    this.length += written;
  }

  /** Forgets what is there. */
  restart() {
    this.#access.truncate(0);
    this.length = 0;
  }

  /** Keeps it for the next try; nothing where it was closed. */
  close() {
    this.#access?.flush();
    this.#access?.close();
    this.#access = undefined;
  }

  /** Gives the file, which is whole and verified, its name. @param {string} name */
  async finish(name) {
    this.close();
    await this.#handle.move(name);
  }
}

export class Cache {
  /** @type {FileSystemDirectoryHandle | undefined} */ #folder;

  /** @param {FileSystemDirectoryHandle} [folder] */
  constructor(folder) {
    this.#folder = folder;
  }

  static async open() {
    try {
      const root = await navigator.storage.getDirectory();
      return new Cache(await root.getDirectoryHandle(FOLDER, { create: true }));
    } catch {
      return new Cache();
    }
  }

  /**
   * Runs `work` while no other tab works on the same name.
   * @template T
   * @param {string} name
   * @param {AbortSignal} signal
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async exclusively(name, signal, work) {
    if (!navigator.locks) return work();
    try {
      return await navigator.locks.request(`${FOLDER}/${name}`, { signal }, work);
    } catch (error) {
      // A frame without an origin has no locks, and shares nothing with another tab.
      if (error instanceof DOMException && error.name === "SecurityError") return work();
      throw error;
    }
  }

  /** @param {string} name */
  async read(name) {
    try {
      if (!this.#folder) return new Uint8Array(await (await (await caches.open(FOLDER)).match(address(name)))?.arrayBuffer() ?? missing());
      const file = await (await this.#folder.getFileHandle(name)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch {
      return undefined;
    }
  }

  /**
   * The file as far as it has come, under another name: a tab that is closed half-way leaves no file that looks whole, and the next
   * download goes on where it stopped. Only in workers; nothing where the file system is missing.
   * @param {string} name
   */
  async part(name) {
    try {
      const handle = await this.#folder?.getFileHandle(`${name}.part`, { create: true });
      return handle && new Part(handle, await /** @type {any} */ (handle).createSyncAccessHandle());
    } catch {
      return undefined;
    }
  }

  /**
   * Keeps a whole file at once, where there are no parts. Throws where there is no room.
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(name, bytes) {
    // The file system has given no part to write.
    if (this.#folder) throw new Error("no room");
    if (typeof caches !== "object") return;
    await (await caches.open(FOLDER)).put(address(name), new Response(bytes));
  }

  /** @param {string} name */
  async remove(name) {
    await this.#folder?.removeEntry(name).catch(() => {});
    await this.#folder?.removeEntry(`${name}.part`).catch(() => {});
    if (!this.#folder && typeof caches === "object") await (await caches.open(FOLDER)).delete(address(name)).catch(() => {});
  }

  /** Bytes of each file that is here, parts included under the name of the whole. @returns {Promise<Map<string, number>>} */
  async sizes() {
    /** @type {Map<string, number>} */ const found = new Map();
    const add = (/** @type {string} */ name, /** @type {number} */ bytes) => found.set(name, (found.get(name) ?? 0) + bytes);
    try {
      // In every browser that has the file system, but not yet in TypeScript's library.
      for await (const [name, handle] of /** @type {any} */ (this.#folder)?.entries() ?? []) {
        // One that just then gets its name is not counted.
        const file = await handle.getFile().catch(() => undefined);
        if (file) add(name.replace(/\.part$/, ""), file.size);
      }
      if (this.#folder) return found;
      const kept = await caches.open(FOLDER);
      for (const request of await kept.keys()) {
        add(request.url.split("/").at(-1) ?? "", (await (await kept.match(request))?.blob())?.size ?? 0);
      }
    } catch {
      // What cannot be counted cannot be cleared either.
    }
    return found;
  }
}

/** The card of a model as it was when its files came. @param {URL} url @returns {Promise<string | undefined>} */
export async function keptCard(url) {
  try {
    return await (await (await caches.open(MODEL_FILES)).match(url))?.text();
  } catch {
    return undefined;
  }
}

/** @param {URL} url @param {string} card */
export async function keepCard(url, card) {
  try {
    await (await caches.open(MODEL_FILES)).put(url, new Response(card));
  } catch {
    // Then this model needs the network the next time.
  }
}

/** Keeps a picture of a model, as its card is kept. @param {URL} url */
export async function keepPicture(url) {
  try {
    await (await caches.open(MODEL_FILES)).add(url);
  } catch {
    // It is shown again when there is a network.
  }
}

/** Forgets the card and the picture of a model. @param {URL} folder */
export async function forgetCard(folder) {
  try {
    const kept = await caches.open(MODEL_FILES);
    const those = (await kept.keys()).filter(({ url }) => url.startsWith(folder.href));
    await Promise.all(those.map((request) => kept.delete(request)));
  } catch {
    // Where nothing can be kept, there is nothing to forget.
  }
}

/** The address under which the Cache API keeps a file. @param {string} name */
function address(name) {
  return new URL(`kept/${name}`, location.href);
}

/** @returns {never} */
function missing() {
  throw new Error("not kept");
}
