// A store of records in this browser's IndexedDB.

/** Tells, by an event with the name of its database, that a store of this page has changed. */
export const changes = new EventTarget();

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
      const transaction = opened.transaction(name, mode);
      const request = work(transaction.objectStore(name));
      await completed(transaction);
      if (mode === "readwrite") changes.dispatchEvent(new Event(database));
      return request.result;
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

/** A request that has succeeded is still lost where there is no room for the whole. @param {IDBTransaction} transaction @returns {Promise<void>} */
function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
