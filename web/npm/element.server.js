// What `import "p-of-x/element"` is on a server that renders pages: nothing can be drawn there, and nothing may break.

export class PofxElement {}
