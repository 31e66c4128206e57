// Verified files in the origin private file system, named by their checksum. Every failure here (private mode, full
// disk, old browser) only means that the next visit downloads again: the caller has the bytes in memory.

const FOLDER = "p-of-x";

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
    return navigator.locks.request(`${FOLDER}/${name}`, { signal }, work);
  }

  /** @param {string} name */
  async read(name) {
    try {
      const file = await (await this.#folder?.getFileHandle(name))?.getFile();
      return file && new Uint8Array(await file.arrayBuffer());
    } catch {
      return undefined;
    }
  }

  /**
   * Writes under another name first: a tab that is closed half-way leaves no file that looks whole.
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(name, bytes) {
    if (!this.#folder) return;
    const part = `${name}.part`;
    try {
      const handle = await this.#folder.getFileHandle(part, { create: true });
      // Only there in workers, and not in TypeScript’s library for pages.
      const access = await /** @type {any} */ (handle).createSyncAccessHandle();
      try {
        access.truncate(0);
        access.write(bytes, { at: 0 });
        access.flush();
      } finally {
        access.close();
      }
      // In every browser that has the file system, but not yet in TypeScript's library.
      await /** @type {any} */ (handle).move(name);
    } catch {
      await this.#folder.removeEntry(part).catch(() => {});
    }
  }
}
