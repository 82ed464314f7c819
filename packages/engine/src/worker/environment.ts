/** Where the code runs. */

/** Whether this is Node (or something that passes for it) rather than a browser. */
export function isNode(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string';
}
