// Measurements of models on backends, each on a page of its own, printed as they come.

/**
 * The rows: one or more of each model and backend, or its `error`.
 * @param {{ id: string, family: string }[]} models
 * @param {string[]} backends
 * @param {(model: { id: string, family: string }, backend: string) => Promise<{ page: import("playwright-core").Page, close: () => Promise<unknown> }>} open
 * @param {(page: import("playwright-core").Page, id: string, backend: string) => Promise<object | object[]>} measure
 * @param {(row: any) => string} line of the printed table
 */
export async function table(models, backends, open, measure, line) {
  const rows = [];
  for (const { id, family } of models) {
    for (const backend of backends) {
      const { page, close } = await open({ id, family }, backend);
      const found = await measure(page, id, backend).catch((error) => ({ error: error.message }));
      await close();
      for (const row of [found].flat()) {
        rows.push({ model: id, family, backend, ...row });
        console.log(line(rows.at(-1)));
      }
    }
  }
  return rows;
}
