const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => {
  const page = document.getElementById("page");
  if (page) page.textContent = `engine ${data}`;
};
