/** Text, tables and progress on a terminal. */
import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Output } from '../src/io.ts';
import { Progress } from '../src/terminal/progress.ts';
import { styleFor } from '../src/terminal/style.ts';
import { pairs, table } from '../src/terminal/table.ts';
import {
  bar,
  bytes,
  counted,
  duration,
  figure,
  percent,
  printable,
  printableInColour,
  shortened,
  widthOf,
  wrapped,
} from '../src/terminal/text.ts';

describe('text', () => {
  it('is wrapped within the width, with no word lost', () => {
    const words = fc.array(fc.stringMatching(/^[a-z%–]{1,12}$/), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        words,
        fc.integer({ min: 20, max: 90 }),
        fc.integer({ min: 0, max: 4 }),
        (list, width, indent) => {
          const text = ' '.repeat(indent) + list.join(' ');
          const lines = wrapped(text, width, '  ').split('\n');
          for (const line of lines) {
            expect(widthOf(line)).toBeLessThanOrEqual(width);
            expect(line.startsWith(' '.repeat(indent))).toBe(true);
          }
          expect(lines.join(' ').split(/\s+/).filter(Boolean)).toEqual(list);
        },
      ),
    );
  });

  it('is cut to a width, also where characters are wide', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'é', '漢', '字', '🙂') }),
        fc.integer({ min: 1, max: 30 }),
        (text, width) => {
          const cut = shortened(text, width);
          expect(widthOf(cut)).toBeLessThanOrEqual(width);
          if (widthOf(text) <= width) expect(cut).toBe(text);
        },
      ),
    );
    expect(shortened('marital-status', 8)).toBe('marital…');
  });

  it('never steers the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Bidi_Control}](?<!\n)/u);
      }),
    );
  });

  it('may have colours, and no other sequences', () => {
    const begin = String.fromCharCode(27);
    const drawn = `${begin}[1mbold${begin}[0m`;
    expect(printableInColour(drawn)).toBe(drawn);
    const hostile = printableInColour(
      `${begin}[2Jwiped${begin}]0;title${String.fromCharCode(7)}${begin}[31mred`,
    );
    expect(hostile).toBe(`\ufffd[2Jwiped\ufffd]0;title\ufffd${begin}[31mred`);
  });

  it('writes numbers as people do', () => {
    expect([
      figure(0),
      figure(0.4432),
      figure(12),
      figure(0.00031),
      figure(1234.5),
      figure(Number.NaN),
      figure(Number.POSITIVE_INFINITY),
    ]).toEqual(['0', '0.443', '12.0', '0.000310', '1235', 'unknown', '∞']);
    expect([percent(0.85943), percent(0.0012, 2), percent(Number.NaN)]).toEqual([
      '85.9%',
      '0.12%',
      'unknown',
    ]);
    expect([counted(1, 'row'), counted(48_842, 'row'), counted(2, 'class', 'classes')]).toEqual([
      '1 row',
      '48,842 rows',
      '2 classes',
    ]);
    expect([bytes(1), bytes(999), bytes(49_556), bytes(2.5e9)]).toEqual([
      '1 byte',
      '999 bytes',
      '49.6 kB',
      '2.5 GB',
    ]);
    expect([duration(0.84), duration(42.3), duration(185), duration(7800)]).toEqual([
      '0.8 s',
      '42 s',
      '3 min 05 s',
      '2 h 10 min',
    ]);
  });

  it('draws bars in proportion', () => {
    expect([
      bar(1, 1, 4),
      bar(0.5, 1, 4),
      bar(0.001, 1, 4),
      bar(0, 1, 4),
      bar(1, 0, 4),
      bar(9, 1, 4),
    ]).toEqual(['████', '██', '▏', '', '', '████']);
  });
});

describe('tables', () => {
  const columns = [
    { title: 'Name', flexible: true },
    { title: 'Value', align: 'right' as const },
  ];

  it('align numbers to the right', () => {
    expect(
      table(
        columns,
        [
          ['age', '1.5'],
          ['hours', '10'],
        ],
        80,
      ),
    ).toBe('Name   Value\nage      1.5\nhours     10');
  });

  it('give way where they are too wide: names are cut, numbers are not', () => {
    const drawn = table(columns, [['a-very-long-name-of-a-column-that-nobody-reads', '123456']], 30).split(
      '\n',
    );
    for (const line of drawn) expect(widthOf(line)).toBeLessThanOrEqual(30);
    expect(drawn[1]).toMatch(/…\s+123456$/);
  });

  it('keep a cell on its line whatever it holds', () => {
    expect(table(columns, [['two\nlines\u001b[2J', '1']], 80).split('\n').length).toBe(2);
  });

  it('of pairs wrap values under themselves', () => {
    const drawn = pairs([['Operators', 'Gemm '.repeat(20).trim()]], 40).split('\n');
    expect(drawn.length).toBeGreaterThan(2);
    for (const line of drawn.slice(1)) expect(line).toMatch(/^ {11}Gemm/);
  });
});

function terminal(isTTY: boolean): Output & { text: string } {
  return {
    text: '',
    isTTY,
    columns: isTTY ? 40 : undefined,
    async write(text) {
      this.text += text;
    },
  };
}

describe('colours', () => {
  it('are for terminals, and for people who want them', () => {
    expect(styleFor(terminal(true), {}).bold('x')).not.toBe('x');
    expect(styleFor(terminal(false), {}).bold('x')).toBe('x');
    expect(styleFor(terminal(true), { NO_COLOR: '1' }).bold('x')).toBe('x');
    expect(styleFor(terminal(true), { NO_COLOR: '' }).bold('x')).not.toBe('x');
    expect(styleFor(terminal(true), { TERM: 'dumb' }).bold('x')).toBe('x');
  });
});

describe('progress', () => {
  it('is one line on a terminal, within its width, and is taken away at the end', () => {
    const output = terminal(true);
    const progress = new Progress(output, false);
    progress.update('Training a model with a name that is far too long for this', 0.5, 'epoch 3');
    const drawn = output.text.replace('\r\u001b[2K', '');
    expect(widthOf(drawn)).toBeLessThan(40);
    expect(output.text).not.toContain('\n');
    progress.clear();
    expect(output.text.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('is a line now and then elsewhere, with the time left, and nothing where it is not wanted', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const output = terminal(false);
      const progress = new Progress(output, false);
      const silent = terminal(false);
      const quiet = new Progress(silent, true);
      for (let second = 0; second <= 20; second++) {
        progress.update('Training', second / 40, `epoch ${second}`);
        quiet.update('Training', second / 40);
        vi.advanceTimersByTime(1000);
      }
      const lines = output.text.trimEnd().split('\n');
      expect(lines.length).toBe(4);
      expect(lines[1]).toBe('Training 25% · epoch 10 · 30 s left');
      expect(silent.text).toBe('');
    } finally {
      vi.useRealTimers();
    }
  });
});
