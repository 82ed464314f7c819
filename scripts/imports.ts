/** What a TypeScript file reaches for: its imports in every form, and the globals that tie it to an environment. */
import { type ESTree, parseSync, Visitor } from 'rolldown/utils';

/** A place where a file names another module. */
export interface Import {
  /** As written; undefined where it is computed at run time. */
  readonly specifier: string | undefined;
  /** Counted from 1. */
  readonly line: number;
  /** `static` runs on load, `dynamic` on demand, `type` never. */
  readonly kind: 'static' | 'dynamic' | 'type';
}

/** A use of a global object that only some environments have. */
export interface GlobalUse {
  readonly name: string;
  readonly line: number;
}

export interface FileUses {
  readonly imports: readonly Import[];
  readonly globals: readonly GlobalUse[];
}

/** Globals that belong to Node. */
export const NODE_GLOBALS: ReadonlySet<string> = new Set([
  'process',
  'Buffer',
  'require',
  '__dirname',
  '__filename',
]);

/** Globals through which a program reads or writes the world outside. */
export const INPUT_OUTPUT_GLOBALS: ReadonlySet<string> = new Set([
  'fetch',
  'WebSocket',
  'XMLHttpRequest',
  'EventSource',
  'Worker',
  'localStorage',
  'sessionStorage',
  'indexedDB',
  'Deno',
  'Bun',
]);

/**
 * Reads the imports and the uses of environment globals out of a source text.
 *
 * @param path named in errors
 * @throws Error with file and line where the text is no TypeScript
 */
export function usesOf(path: string, source: string): FileUses {
  const lines = new LineStarts(source);
  const { program, errors } = parseSync(path, source, { lang: 'ts', sourceType: 'module' });
  const error = errors[0];
  if (error !== undefined) {
    throw new Error(`${path}:${lines.lineOf(error.labels[0]?.start ?? 0)}: cannot be read: ${error.message}`);
  }

  const imports: Import[] = [];
  const globals: GlobalUse[] = [];
  const add = (node: ESTree.Node, specifier: string | undefined, kind: Import['kind']): void => {
    imports.push({ specifier, line: lines.lineOf(node.start), kind });
  };
  const use = (node: ESTree.Node): void => {
    if (node.type !== 'Identifier') return;
    if (NODE_GLOBALS.has(node.name) || INPUT_OUTPUT_GLOBALS.has(node.name)) {
      globals.push({ name: node.name, line: lines.lineOf(node.start) });
    }
  };

  new Visitor({
    ImportDeclaration: (node) => add(node, node.source.value, node.importKind === 'type' ? 'type' : 'static'),
    ExportAllDeclaration: (node) =>
      add(node, node.source.value, node.exportKind === 'type' ? 'type' : 'static'),
    ExportNamedDeclaration(node) {
      if (node.source !== null) add(node, node.source.value, node.exportKind === 'type' ? 'type' : 'static');
    },
    ImportExpression: (node) => add(node, textOf(node.source), 'dynamic'),
    TSImportType: (node) => add(node, node.source.value, 'type'),
    TSExternalModuleReference: (node) => add(node, node.expression.value, 'static'),
    CallExpression(node) {
      use(node.callee);
      const isRequire = node.callee.type === 'Identifier' && node.callee.name === 'require';
      const isResolve =
        node.callee.type === 'MemberExpression' &&
        node.callee.object.type === 'MetaProperty' &&
        node.callee.property.type === 'Identifier' &&
        node.callee.property.name === 'resolve';
      if (isRequire || isResolve) add(node, textOf(node.arguments[0]), 'dynamic');
    },
    NewExpression(node) {
      use(node.callee);
      // new URL('./neighbour.js', import.meta.url) names a module or a file by its place.
      const [first, second] = node.arguments;
      const isUrl = node.callee.type === 'Identifier' && node.callee.name === 'URL';
      const isRelative = second?.type === 'MemberExpression' && second.object.type === 'MetaProperty';
      const name = textOf(first);
      if (isUrl && isRelative && name !== undefined) add(node, name, 'dynamic');
    },
    MemberExpression: (node) => use(node.object),
  }).visit(program);

  return { imports, globals };
}

/** The text of a string literal, or of a template without holes. */
function textOf(node: ESTree.Node | undefined): string | undefined {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node?.type === 'TemplateLiteral' && node.expressions.length === 0)
    return node.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

/** Turns offsets into line numbers. */
class LineStarts {
  readonly #starts: number[] = [0];

  constructor(source: string) {
    for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1))
      this.#starts.push(at + 1);
  }

  lineOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}
