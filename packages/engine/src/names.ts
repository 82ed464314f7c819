/** New names beside those that a graph uses. */

/** The wanted name, or where it is taken the first free `name.2`, `name.3`, …; the result counts as taken afterwards. */
export function claimName(taken: Set<string>, wanted: string): string {
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
  taken.add(name);
  return name;
}
