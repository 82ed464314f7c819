/** Command lines that a person can copy into a shell. */

/** A word as a POSIX shell has to be given it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) && !word.startsWith('~')
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line out of its words. */
export function commandLine(words: readonly string[]): string {
  return words.map(shellWord).join(' ');
}

/**
 * A command line on lines of at most `width` characters where that can be: broken before options and further
 * commands only, with a backslash, so that it can still be copied.
 */
export function brokenCommand(command: string, width: number, indent: string): readonly string[] {
  const parts = command.split(/ (?=-|&& )(?=(?:[^']*'[^']*')*[^']*$)/);
  const lines: string[] = [];
  let line = parts[0] ?? '';
  for (const part of parts.slice(1)) {
    if (line.length + 1 + part.length + 2 > width) {
      lines.push(`${line} \\`);
      line = indent + part;
    } else line = `${line} ${part}`;
  }
  return [...lines, line];
}
