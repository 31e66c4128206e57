// A picture from the camera: what it sees in a square, snapped into a file. Nothing is recorded before, and the camera is off after.

import { LitElement, css, html } from "lit";
import { shared } from "./styles.js";

/** Side of the picture that is taken, in pixels: far more than any model sees. */
const SIZE = 512;

/** `<pofx-camera>`: on from when it is on the page. Events: `snap` (detail: a File) and `close`. */
export class Camera extends LitElement {
  static properties = { ready: { state: true }, trouble: { state: true } };

  static styles = [
    shared,
    css`
      dialog {
        width: min(26rem, calc(100vw - 2rem));
        padding: 1.2rem;
        color: var(--text);
        background: var(--surface);
        border: 1px solid var(--line);
        border-radius: 1rem;
      }
      dialog::backdrop {
        background: rgb(0 0 0 / 0.5);
      }
      h3 {
        margin: 0 0 0.7rem;
        font: 500 1.1rem/1.4 var(--sans);
      }
      video {
        display: block;
        width: 100%;
        aspect-ratio: 1;
        object-fit: cover;
        background: var(--sunken);
        border-radius: 0.6rem;
      }
      p {
        margin: 0.7rem 0;
        color: var(--muted);
        font-size: 0.9375rem;
      }
      .tools {
        display: flex;
        gap: 0.5rem;
      }
    `,
  ];

  constructor() {
    super();
    this.ready = false;
    /** Why there is no picture. */ this.trouble = "";
  }

  /** @type {MediaStream | undefined} */ #stream;

  get #video() {
    return /** @type {HTMLVideoElement} */ (this.renderRoot.querySelector("video"));
  }

  firstUpdated() {
    this.renderRoot.querySelector("dialog")?.showModal();
    void this.#start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#stop();
  }

  async #start() {
    try {
      if (!navigator.mediaDevices) throw new Error("this page has no access to one");
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      this.#stream = stream;
      // It may have been closed while the person was asked.
      if (!this.isConnected) return this.#stop();
      this.#video.srcObject = stream;
      await this.#video.play();
      this.ready = true;
    } catch (thrown) {
      this.trouble = `The camera gives no picture: ${thrown instanceof Error ? thrown.message : thrown}.`;
    }
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }

  async #snap() {
    const { videoWidth, videoHeight } = this.#video;
    const side = Math.min(videoWidth, videoHeight);
    const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
    canvas.getContext("2d")?.drawImage(this.#video, (videoWidth - side) / 2, (videoHeight - side) / 2, side, side, 0, 0, SIZE, SIZE);
    const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) => canvas.toBlob(resolve));
    if (!blob) return void (this.trouble = "The picture could not be taken.");
    this.dispatchEvent(new CustomEvent("snap", { detail: new File([blob], "camera.png", { type: "image/png" }) }));
    this.#close();
  }

  #close() {
    this.renderRoot.querySelector("dialog")?.close();
  }

  render() {
    return html`<dialog aria-labelledby="title" @close=${() => this.dispatchEvent(new CustomEvent("close"))}>
      <h3 id="title">Picture from the camera</h3>
      <video muted playsinline aria-label="What the camera sees"></video>
      <p role="status">${this.trouble || "Dark ink on light paper is read best. The picture stays on your device."}</p>
      <div class="tools">
        <button type="button" class="primary" ?disabled=${!this.ready} @click=${() => void this.#snap()}>Take the picture</button>
        <button type="button" @click=${this.#close}>Cancel</button>
      </div>
    </dialog>`;
  }
}

customElements.define("pofx-camera", Camera);
