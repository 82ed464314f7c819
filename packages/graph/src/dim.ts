/**
 * Arithmetic on dimensions that are known only at run time.
 *
 * A dimension is an integer polynomial over *atoms*: symbols (`batch`) and opaque integer functions of other
 * polynomials (`floor(P/Q)`, `max(P,Q)`, `min(P,Q)`). Its text is canonical, so that equal polynomials are
 * equal strings: terms by falling degree and then by name, `2*batch`, `height*width`, `floor((h+1)/2)-1`.
 * Quotients are reduced by
 *
 *     floor((d·Q + R)/d)        = Q + floor(R/d)              (all coefficients of R in [0, d))
 *     floor((g·P + c)/(g·d))    = floor((P + floor(c/g))/d)
 *     floor((floor(A/m) + S)/d) = floor((A + m·S)/(m·d))
 *
 * A symbol stands for a size of at least 1. `""` is a dimension of which nothing is known, and so is any
 * result that involves one, or that grows beyond what is useful. Coefficients may be dyadic fractions while
 * an exporter's float arithmetic on sizes (`h * 0.5`, then Floor) is followed.
 */
import type { Dim, Shape } from './model.ts';

interface Term {
  /** Sorted; empty for the constant term. */
  readonly atoms: readonly string[];
  readonly coefficient: number;
}
/** Terms in canonical order, none with a zero coefficient. */
type Polynomial = readonly Term[];

const MAX_TERMS = 48;
const MAX_TEXT = 600;
const MAX_DEPTH = 12;
const NAME = /^[A-Za-z_?][A-Za-z0-9_.:$@]*/;

/** The sum. */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return combine(a, b, (p, q) => sum(p, q, 1));
}

/** The difference. */
export function subDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return combine(a, b, (p, q) => sum(p, q, -1));
}

/** The product. */
export function mulDims(a: Dim, b: Dim): Dim {
  // Adding 0 turns -0 into 0.
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0;
  if (a === 0 || b === 0) return 0;
  return combine(a, b, product);
}

/** floor(a / b); unknown for division by zero. */
export function floorDivDims(a: Dim, b: Dim): Dim {
  if (b === 0) return '';
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b) + 0;
  if (a === b && a !== '') return 1;
  return combine(a, b, floorQuotient);
}

/** ceil(a / b) for a positive divisor. */
export function ceilDivDims(a: Dim, b: number): Dim {
  if (typeof a === 'number') return Math.ceil(a / b) + 0;
  return floorDivDims(addDims(a, b - 1), b);
}

/** The larger of two dimensions. */
export function maxDims(a: Dim, b: Dim): Dim {
  return extremum('max', a, b);
}

/** The smaller of two dimensions. */
export function minDims(a: Dim, b: Dim): Dim {
  return extremum('min', a, b);
}

/** floor of a value whose coefficients may be dyadic fractions; unknown where rounding could decide. */
export function floorDim(a: Dim): Dim {
  if (typeof a === 'number') return Math.floor(a);
  let scale = 1;
  const polynomial = polynomialOf(a);
  if (polynomial === undefined) return '';
  while (polynomial.some((t) => !Number.isInteger(t.coefficient * scale))) {
    scale *= 2;
    if (scale > 4096) return '';
  }
  return toDim(floorQuotient(scaled(polynomial, scale), constant(scale)));
}

/** The product of all dimensions: the number of elements. */
export function elementsOf(shape: Shape): Dim {
  return shape.reduce<Dim>(mulDims, 1);
}

/** Whether two dimensions are known to be equal. */
export function equalDims(a: Dim, b: Dim): boolean {
  if (a === '' || b === '') return false;
  return a === b || canonicalDim(a) === canonicalDim(b);
}

/** Whether two dimensions are known to differ, whatever the symbols stand for. */
export function differentDims(a: Dim, b: Dim): boolean {
  const difference = subDims(a, b);
  if (difference === '') return false;
  if (typeof difference === 'number') return difference !== 0;
  if (lowerBound(difference) > 0 || upperBound(difference) < 0) return true;
  // c + g·(…) is zero only if g divides c.
  const polynomial = polynomialOf(difference) ?? [];
  const c = polynomial.find((t) => t.atoms.length === 0)?.coefficient ?? 0;
  const g = polynomial.reduce((x, t) => (t.atoms.length === 0 ? x : gcd(x, t.coefficient)), 0);
  return Number.isInteger(g) && g > 0 && c % g !== 0;
}

/** Whether a ≥ b for every choice of sizes. */
export function isAtLeast(a: Dim, b: Dim): boolean {
  const difference = subDims(a, b);
  return difference !== '' && lowerBound(difference) >= 0;
}

/** A bound that the value never goes below (−∞ where none is known). */
export function lowerBound(dim: Dim): number {
  return boundsOf(dim)[0];
}

/** A bound that the value never goes above (∞ where none is known). */
export function upperBound(dim: Dim): number {
  return boundsOf(dim)[1];
}

/**
 * Reads a dimension from the text of a file: the canonical form where it is an expression, a number where it is
 * one, and otherwise the text itself as the name of a symbol.
 */
export function parseDim(text: string): Dim {
  return canonicalDim(text);
}

/** The canonical form. */
export function canonicalDim(dim: Dim): Dim {
  if (typeof dim === 'number') return dim;
  const polynomial = polynomialOf(dim);
  return polynomial === undefined ? '' : toDim(polynomial);
}

/** Names of the symbols in a dimension. */
export function symbolsOf(dim: Dim): ReadonlySet<string> {
  const symbols = new Set<string>();
  collectSymbols(dim, symbols);
  return symbols;
}

/** The size when symbols take these values; undefined where one is missing or the dimension is unknown. */
export function evaluateDim(dim: Dim, sizes: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim === 'number') return dim;
  const polynomial = polynomialOf(dim);
  if (polynomial === undefined) return undefined;
  let total = 0;
  for (const { atoms, coefficient } of polynomial) {
    let value = coefficient;
    for (const atom of atoms) {
      const factor = evaluateAtom(atom, sizes);
      if (factor === undefined) return undefined;
      value *= factor;
    }
    total += value;
  }
  return total;
}

function evaluateAtom(atom: string, sizes: ReadonlyMap<string, number>): number | undefined {
  const call = callOf(atom);
  if (call === undefined) return sizes.get(symbolName(atom));
  const a = evaluateDim(call.a, sizes);
  const b = evaluateDim(call.b, sizes);
  if (a === undefined || b === undefined) return undefined;
  if (call.name === 'floor') return b === 0 ? undefined : Math.floor(a / b);
  return call.name === 'max' ? Math.max(a, b) : Math.min(a, b);
}

function collectSymbols(dim: Dim, into: Set<string>): void {
  for (const { atoms } of polynomialOf(dim) ?? []) {
    for (const atom of atoms) {
      const call = callOf(atom);
      if (call === undefined) {
        into.add(symbolName(atom));
      } else {
        collectSymbols(call.a, into);
        collectSymbols(call.b, into);
      }
    }
  }
}

// Polynomials -------------------------------------------------------------------------------------------

function constant(value: number): Polynomial {
  return value === 0 ? [] : [{ atoms: [], coefficient: value }];
}

function atomic(atom: string): Polynomial {
  return [{ atoms: [atom], coefficient: 1 }];
}

function combine(a: Dim, b: Dim, operation: (p: Polynomial, q: Polynomial) => Polynomial | undefined): Dim {
  const p = polynomialOf(a);
  const q = polynomialOf(b);
  if (p === undefined || q === undefined) return '';
  return toDim(operation(p, q));
}

function canonical(terms: Iterable<Term>): Polynomial | undefined {
  const merged = new Map<string, Term>();
  for (const term of terms) {
    const key = term.atoms.join('\u0000');
    const coefficient = (merged.get(key)?.coefficient ?? 0) + term.coefficient;
    if (coefficient === 0) merged.delete(key);
    else merged.set(key, { atoms: term.atoms, coefficient });
  }
  if (merged.size > MAX_TERMS) return undefined;
  const list = [...merged.values()].sort(compareTerms);
  return list.every(
    (t) => Number.isFinite(t.coefficient) && Math.abs(t.coefficient) <= Number.MAX_SAFE_INTEGER,
  )
    ? list
    : undefined;
}

/** Graded lexicographic order, the highest term first. */
function compareTerms(a: Term, b: Term): number {
  if (a.atoms.length !== b.atoms.length) return b.atoms.length - a.atoms.length;
  for (const [i, x] of a.atoms.entries()) {
    const y = b.atoms[i] ?? '';
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function sum(p: Polynomial, q: Polynomial, sign: 1 | -1): Polynomial | undefined {
  return canonical([...p, ...scaled(q, sign)]);
}

function scaled(p: Polynomial, factor: number): Polynomial {
  return p.map((t) => ({ atoms: t.atoms, coefficient: t.coefficient * factor }));
}

function product(p: Polynomial, q: Polynomial): Polynomial | undefined {
  if (p.length * q.length > MAX_TERMS * 8) return undefined;
  return canonical(p.flatMap((a) => q.map((b) => timesTerm(a, b))));
}

function timesTerm(a: Term, b: Term): Term {
  return { atoms: [...a.atoms, ...b.atoms].sort(), coefficient: a.coefficient * b.coefficient };
}

function floorQuotient(p: Polynomial, q: Polynomial): Polynomial | undefined {
  const [only] = q;
  if (only === undefined) return undefined;
  if (q.length > 1 || only.atoms.length > 0) {
    return exactQuotient(p, q) ?? quotientAtom(p, q);
  }
  const d = only.coefficient;
  if (!Number.isInteger(d) || p.some((t) => !Number.isInteger(t.coefficient))) return undefined;
  if (d < 0) return floorQuotient(scaled(p, -1), constant(-d));
  const whole = p.map((t) => ({ atoms: t.atoms, coefficient: Math.floor(t.coefficient / d) }));
  const rest = canonical(
    p.map((t, i) => ({ ...t, coefficient: t.coefficient - d * (whole[i]?.coefficient ?? 0) })),
  );
  const quotient = canonical(whole.filter((t) => t.coefficient !== 0));
  if (rest === undefined || quotient === undefined) return undefined;
  const fraction = floorOfRemainder(rest, d);
  return fraction === undefined ? undefined : sum(quotient, fraction, 1);
}

/** floor(R/d) where all coefficients of R lie in [0, d). */
function floorOfRemainder(rest: Polynomial, d: number): Polynomial | undefined {
  const variable = rest.filter((t) => t.atoms.length > 0);
  if (variable.length === 0) return [];
  const g = variable.reduce((x, t) => gcd(x, t.coefficient), d);
  if (g > 1) {
    const reduced = rest.map((t) => ({ atoms: t.atoms, coefficient: Math.floor(t.coefficient / g) }));
    const p = canonical(reduced.filter((t) => t.coefficient !== 0));
    return p === undefined || d === g ? p : floorQuotient(p, constant(d / g));
  }
  for (const term of variable) {
    const [atom] = term.atoms;
    if (term.atoms.length !== 1 || term.coefficient !== 1 || atom === undefined) continue;
    const call = callOf(atom);
    if (call?.name !== 'floor' || typeof call.b !== 'number' || call.b * d > 2 ** 31) continue;
    const inner = polynomialOf(call.a);
    const others = canonical(rest.filter((t) => t !== term));
    if (inner === undefined || others === undefined) continue;
    const merged = sum(inner, scaled(others, call.b), 1);
    if (merged !== undefined) return floorQuotient(merged, constant(call.b * d));
  }
  return quotientAtom(rest, constant(d));
}

function quotientAtom(p: Polynomial, q: Polynomial): Polynomial | undefined {
  if (p.length === 0) return [];
  const [numerator] = p;
  const [divisor] = q;
  const plainNumerator = p.length === 1 && numerator !== undefined && numerator.coefficient > 0;
  const factors = (divisor?.atoms.length ?? 0) + (divisor?.coefficient === 1 ? 0 : 1);
  const plainDivisor = q.length === 1 && divisor !== undefined && divisor.coefficient > 0 && factors <= 1;
  const a = plainNumerator ? printTerms(p) : `(${printTerms(p)})`;
  const b = plainDivisor ? printTerms(q) : `(${printTerms(q)})`;
  return a.length + b.length > MAX_TEXT ? undefined : atomic(`floor(${a}/${b})`);
}

/** p / q where q divides p as a polynomial with integer coefficients. */
function exactQuotient(p: Polynomial, q: Polynomial): Polynomial | undefined {
  const [leading] = q;
  if (leading === undefined) return undefined;
  let rest = p;
  let quotient: Polynomial = [];
  for (let step = 0; step <= MAX_TERMS && rest.length > 0; step++) {
    const [head] = rest;
    const atoms = head && withoutAtoms(head.atoms, leading.atoms);
    if (head === undefined || atoms === undefined) return undefined;
    const coefficient = head.coefficient / leading.coefficient;
    if (!Number.isInteger(coefficient)) return undefined;
    const term: Term = { atoms, coefficient };
    const next = sum(
      rest,
      q.map((t) => timesTerm(t, term)),
      -1,
    );
    const grown = sum(quotient, [term], 1);
    if (next === undefined || grown === undefined) return undefined;
    rest = next;
    quotient = grown;
  }
  return rest.length === 0 ? quotient : undefined;
}

function withoutAtoms(atoms: readonly string[], remove: readonly string[]): readonly string[] | undefined {
  const left = [...atoms];
  for (const atom of remove) {
    const i = left.indexOf(atom);
    if (i < 0) return undefined;
    left.splice(i, 1);
  }
  return left;
}

function extremum(name: 'max' | 'min', a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return name === 'max' ? Math.max(a, b) : Math.min(a, b);
  return toDim(polynomialOfExtremum(name, a, b));
}

function polynomialOfExtremum(name: 'max' | 'min', a: Dim, b: Dim): Polynomial | undefined {
  const p = polynomialOf(a);
  const q = polynomialOf(b);
  if (p === undefined || q === undefined) return undefined;
  if (isAtLeast(a, b)) return name === 'max' ? p : q;
  if (isAtLeast(b, a)) return name === 'max' ? q : p;
  const [x, y] = [printTerms(p), printTerms(q)].sort();
  const text = `${name}(${x},${y})`;
  return text.length > MAX_TEXT ? undefined : atomic(text);
}

function boundsOf(dim: Dim): readonly [number, number] {
  if (typeof dim === 'number') return [dim, dim];
  const polynomial = polynomialOf(dim);
  if (polynomial === undefined) return [-Infinity, Infinity];
  let low = 0;
  let high = 0;
  for (const { atoms, coefficient } of polynomial) {
    let [a, b]: readonly [number, number] = [1, 1];
    for (const atom of atoms) {
      const [c, d] = atomBounds(atom);
      const corners = [times(a, c), times(a, d), times(b, c), times(b, d)];
      [a, b] = [Math.min(...corners), Math.max(...corners)];
    }
    low += coefficient > 0 ? coefficient * a : coefficient * b;
    high += coefficient > 0 ? coefficient * b : coefficient * a;
  }
  return [low, high];
}

/** A product in which 0 · ∞ is 0. */
function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

function atomBounds(atom: string): readonly [number, number] {
  const call = callOf(atom);
  if (call === undefined) return [1, Infinity];
  const [a, b] = boundsOf(call.a);
  const [c, d] = boundsOf(call.b);
  if (call.name === 'max') return [Math.max(a, c), Math.max(b, d)];
  if (call.name === 'min') return [Math.min(a, c), Math.min(b, d)];
  if (c < 1) return [-Infinity, Infinity];
  const low = a >= 0 ? (d === Infinity ? 0 : Math.floor(a / d)) : Math.floor(a / c);
  const high = b >= 0 ? Math.floor(b / c) : -1;
  return [low, high];
}

function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}

// Text --------------------------------------------------------------------------------------------------

function toDim(p: Polynomial | undefined): Dim {
  if (p === undefined) return '';
  const [first] = p;
  if (first === undefined) return 0;
  if (p.length === 1 && first.atoms.length === 0) return first.coefficient;
  const [atom] = first.atoms;
  if (p.length === 1 && first.coefficient === 1 && first.atoms.length === 1 && atom !== undefined) {
    return symbolName(atom);
  }
  const text = printTerms(p);
  return text.length > MAX_TEXT ? '' : text;
}

function printTerms(p: Polynomial): string {
  if (p.length === 0) return '0';
  let text = '';
  for (const { atoms, coefficient } of p) {
    const magnitude = Math.abs(coefficient);
    const factors = magnitude === 1 && atoms.length > 0 ? atoms : [String(magnitude), ...atoms];
    text += `${coefficient < 0 ? '-' : text === '' ? '' : '+'}${factors.join('*')}`;
  }
  return text;
}

/** Symbols whose names are no identifiers stand in quotation marks inside expressions. */
function symbolName(atom: string): string {
  return atom.startsWith('"') ? atom.slice(1, -1) : atom;
}

const PARSED = new Map<string, Polynomial | undefined>();
const PARSED_LIMIT = 20_000;

function polynomialOf(dim: Dim): Polynomial | undefined {
  if (typeof dim === 'number') return Number.isFinite(dim) ? constant(dim) : undefined;
  if (dim === '' || dim.length > 4 * MAX_TEXT) return undefined;
  if (PARSED.has(dim)) return PARSED.get(dim);
  const parser = new Parser(dim);
  const polynomial = parser.whole() ?? (dim.includes('"') ? undefined : atomic(`"${dim}"`));
  if (PARSED.size >= PARSED_LIMIT) PARSED.clear();
  PARSED.set(dim, polynomial);
  return polynomial;
}

interface Call {
  readonly name: 'floor' | 'max' | 'min';
  readonly a: Dim;
  readonly b: Dim;
}

const CALLS = new Map<string, Call | undefined>();

/** The function that an atom applies, if it is no symbol. */
function callOf(atom: string): Call | undefined {
  if (!atom.endsWith(')')) return undefined;
  if (CALLS.has(atom)) return CALLS.get(atom);
  const call = new Parser(atom).call();
  if (CALLS.size >= PARSED_LIMIT) CALLS.clear();
  CALLS.set(atom, call);
  return call;
}

/**
 * A recursive-descent parser of
 *
 *     sum     = ["-"] product { ("+" | "-") product }
 *     product = factor { ("*" | "//") factor }
 *     factor  = number | symbol | '"' any '"' | "(" sum ")" | call
 *     call    = "floor(" product "/" factor ")" | ("max" | "min") "(" sum "," sum ")"
 *
 * Every method gives undefined where the text does not fit.
 */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text.includes('"') ? text : text.trim().replace(/ *([-+*/(),]) */g, '$1');
  }

  whole(): Polynomial | undefined {
    const p = this.#sum();
    return this.#at === this.#text.length ? p : undefined;
  }

  call(): Call | undefined {
    const call = this.#call();
    return this.#at === this.#text.length ? call : undefined;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #sum(): Polynomial | undefined {
    if (++this.#depth > MAX_DEPTH) return undefined;
    let total: Polynomial | undefined = [];
    let sign: 1 | -1 = this.#take('-') ? -1 : 1;
    for (;;) {
      const p = this.#product();
      if (p === undefined || total === undefined) return undefined;
      total = sum(total, p, sign);
      if (this.#take('+')) sign = 1;
      else if (this.#take('-')) sign = -1;
      else break;
    }
    this.#depth--;
    return total;
  }

  #product(): Polynomial | undefined {
    let p = this.#factor();
    for (;;) {
      const divides = this.#take('//');
      if (!divides && !this.#take('*')) return p;
      const q = this.#factor();
      if (p === undefined || q === undefined) return undefined;
      p = divides ? floorQuotient(p, q) : product(p, q);
    }
  }

  #factor(): Polynomial | undefined {
    const rest = this.#text.slice(this.#at);
    const number = /^\d+(\.\d+)?(e[+-]?\d+)?/.exec(rest)?.[0];
    if (number !== undefined) {
      this.#at += number.length;
      return constant(Number(number));
    }
    if (this.#take('(')) {
      const p = this.#sum();
      return this.#take(')') ? p : undefined;
    }
    const quoted = /^"[^"]+"/.exec(rest)?.[0];
    if (quoted !== undefined) {
      this.#at += quoted.length;
      return atomic(quoted);
    }
    if (/^(floor|max|min)\(/.test(rest)) {
      const call = this.#call();
      if (call === undefined) return undefined;
      if (call.name === 'floor') return polynomialOfQuotient(call);
      return polynomialOfExtremum(call.name, call.a, call.b);
    }
    const name = NAME.exec(rest)?.[0];
    if (name === undefined) return undefined;
    this.#at += name.length;
    return atomic(name);
  }

  #call(): Call | undefined {
    if (++this.#depth > MAX_DEPTH) return undefined;
    for (const name of ['floor', 'max', 'min'] as const) {
      if (!this.#take(`${name}(`)) continue;
      const a = name === 'floor' ? this.#product() : this.#sum();
      if (!this.#take(name === 'floor' ? '/' : ',')) return undefined;
      const b = name === 'floor' ? this.#factor() : this.#sum();
      if (a === undefined || b === undefined || !this.#take(')')) return undefined;
      this.#depth--;
      return { name, a: toDim(a), b: toDim(b) };
    }
    return undefined;
  }
}

function polynomialOfQuotient(call: Call): Polynomial | undefined {
  const p = polynomialOf(call.a);
  const q = polynomialOf(call.b);
  return p === undefined || q === undefined ? undefined : floorQuotient(p, q);
}
