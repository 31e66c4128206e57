// Files that are dropped anywhere on the page, or pasted into it.

/** Those that listen: one of them takes a file. @type {Set<HTMLElement>} */
const listening = new Set();

/** A Lit controller: listens while its host is on the page. */
export class FileDrops {
  /** Whether a file is being held over the page. */
  dragging = false;

  /** @type {import("lit").ReactiveControllerHost & HTMLElement} */ #host;
  /** @type {(file: File) => void} */ #take;
  /** @type {((text: string) => void) | undefined} */ #takeText;

  /**
   * @param {import("lit").ReactiveControllerHost & HTMLElement} host
   * @param {(file: File) => void} take
   * @param {(text: string) => void} [takeText] text of several lines that is pasted outside of a field
   */
  constructor(host, take, takeText) {
    this.#host = host;
    this.#take = take;
    this.#takeText = takeText;
    host.addController(this);
  }

  hostConnected() {
    listening.add(this.#host);
    document.addEventListener("paste", this.#onPaste);
    document.addEventListener("dragover", this.#onDragOver);
    document.addEventListener("dragleave", this.#onDragLeave);
    document.addEventListener("drop", this.#onDrop);
  }

  hostDisconnected() {
    listening.delete(this.#host);
    document.removeEventListener("paste", this.#onPaste);
    document.removeEventListener("dragover", this.#onDragOver);
    document.removeEventListener("dragleave", this.#onDragLeave);
    document.removeEventListener("drop", this.#onDrop);
  }

  /** Whether an event is for this host: it happens inside, or nowhere in particular and this is the first. @param {Event} event */
  #isMine(event) {
    const target = event.composedPath().find((node) => node instanceof HTMLElement && listening.has(node));
    return (target ?? [...listening][0]) === this.#host;
  }

  #onPaste = (/** @type {ClipboardEvent} */ event) => {
    if (!this.#isMine(event)) return;
    this.#use(event, event.clipboardData);
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const typing = event.composedPath().some((target) => target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement);
    if (!event.defaultPrevented && !typing && text.trim().includes("\n")) this.#takeText?.(text);
  };

  #onDrop = (/** @type {DragEvent} */ event) => {
    this.#drag(false);
    if (this.#isMine(event)) this.#use(event, event.dataTransfer);
  };

  #onDragOver = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.#drag(this.#isMine(event));
  };

  #onDragLeave = (/** @type {DragEvent} */ event) => {
    if (event.relatedTarget === null) this.#drag(false);
  };

  /** @param {Event} event @param {DataTransfer | null} data */
  #use(event, data) {
    const file = data?.files[0];
    if (!file) return;
    event.preventDefault();
    this.#take(file);
  }

  /** @param {boolean} dragging */
  #drag(dragging) {
    if (this.dragging === dragging) return;
    this.dragging = dragging;
    this.#host.requestUpdate();
  }
}
