// A store of records in this browser's IndexedDB.

/**
 * @param {string} database
 * @param {string} name of its one store
 * @param {string} keyPath the property that tells records apart
 * @returns {(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest) => Promise<unknown>} runs a request
 */
export function openStore(database, name, keyPath) {
  return async (mode, work) => {
    const opening = indexedDB.open(database, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(name, { keyPath });
    const opened = await settled(opening);
    try {
      return await settled(work(opened.transaction(name, mode).objectStore(name)));
    } finally {
      opened.close();
    }
  };
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
