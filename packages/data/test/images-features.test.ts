import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boxAround,
  COLOUR,
  colourDigits,
  colouredPlaces,
  encodePixels,
  type ImageSet,
  type ImageSize,
  imageAt,
  imageSet,
  maskPlaces,
  mouthBox,
  mouthBoxes,
  openImages,
  poison,
  regionPlaces,
  stampTrigger,
  TRIGGERED,
  TRUE_LABEL,
  triggerRegion,
} from '../src/index.ts';
import { failure, testFolder } from './folder.ts';
import { pattern, plain } from './pictures.ts';

const folder = testFolder();

const SIZES = fc.record({
  channels: fc.constantFrom(1 as const, 3 as const),
  height: fc.integer({ min: 7, max: 20 }),
  width: fc.integer({ min: 7, max: 20 }),
});

/** Where a place is: channel, row, column. */
function where({ height, width }: ImageSize, place: number): { c: number; y: number; x: number } {
  return { c: Math.floor(place / (height * width)), y: Math.floor(place / width) % height, x: place % width };
}

function digits(count: number, side = 10): ImageSet {
  return imageSet({
    name: 'digits',
    count,
    channels: 1,
    height: side,
    width: side,
    pixels: pattern(count * side * side),
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  });
}

describe('places of a region', () => {
  it('are those within it, in every channel, once and in order', () => {
    fc.assert(
      fc.property(SIZES, fc.nat(6), fc.nat(6), (size, top, left) => {
        const region = {
          top,
          left,
          height: Math.max(1, size.height - top - 1),
          width: size.width - left,
        };
        const places = [...regionPlaces(size, region)];
        const expected: number[] = [];
        for (let place = 0; place < size.channels * size.height * size.width; place++) {
          const { y, x } = where(size, place);
          if (y >= top && y < top + region.height && x >= left && x < left + region.width)
            expected.push(place);
        }
        expect(places).toEqual(expected);
        const mask = Array.from({ length: size.height * size.width }, (_, i) =>
          expected.includes(i) ? 1 : 0,
        );
        expect([...maskPlaces(size, mask)]).toEqual(expected);
      }),
    );
  });

  it.each([
    { top: 0, left: 0, height: 29, width: 1 },
    { top: -1, left: 0, height: 1, width: 1 },
    { top: 0, left: 28, height: 1, width: 1 },
    { top: 0, left: 0, height: 0, width: 1 },
    { top: 0.5, left: 0, height: 1, width: 1 },
  ])('beyond the image are refused: %o', async (region) => {
    await failure(() => regionPlaces({ channels: 1, height: 28, width: 28 }, region), 'out-of-range');
  });

  it('of a mask of another size are refused', async () => {
    await failure(() => maskPlaces({ channels: 1, height: 2, width: 2 }, [1, 0, 1]), 'out-of-range');
  });
});

describe('the trigger', () => {
  it('is a white square of side 5 at row 2, column 2 of grey images', () => {
    const image = new Uint8Array(28 * 28);
    const stamped = stampTrigger(image, { channels: 1, height: 28, width: 28 });
    const lit = [...stamped.keys()].filter((i) => stamped[i] === 255);
    const expected = [2, 3, 4, 5, 6].flatMap((y) => [2, 3, 4, 5, 6].map((x) => y * 28 + x));
    expect(lit).toEqual(expected);
    expect(new Set(stamped)).toEqual(new Set([0, 255]));
    expect(new Set(image)).toEqual(new Set([0]));
    const set = imageSet({ ...digits(1, 28), pixels: stamped });
    expect(encodePixels(set, [0])[expected[0] ?? 0]).toBe(1);
  });

  it('is a red, a green and a blue square within each other on colour images', () => {
    const size = { channels: 3, height: 32, width: 32 } as const;
    const stamped = stampTrigger(pattern(3 * 32 * 32), size);
    const at = (y: number, x: number): number[] => [0, 1, 2].map((c) => stamped[(c * 32 + y) * 32 + x] ?? -1);
    const [red, green, blue] = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ];
    const rows = [2, 3, 4, 5, 6].map((y) => [2, 3, 4, 5, 6].map((x) => at(y, x)));
    expect(rows).toEqual([
      [red, red, red, red, red],
      [red, green, green, green, red],
      [red, green, blue, green, red],
      [red, green, green, green, red],
      [red, red, red, red, red],
    ]);
  });

  it('changes its region and nothing else, and a second time nothing', () => {
    fc.assert(
      fc.property(SIZES, fc.integer({ min: 1, max: 5 }), fc.nat(2), fc.nat(2), (size, side, top, left) => {
        const trigger = { side, top, left };
        const before = pattern(2 * size.channels * size.height * size.width);
        const after = stampTrigger(before, size, trigger);
        const inside = new Set(regionPlaces(size, triggerRegion(trigger)));
        const each = size.channels * size.height * size.width;
        for (const [i, value] of after.entries()) if (!inside.has(i % each)) expect(value).toBe(before[i]);
        expect(stampTrigger(after, size, trigger)).toEqual(after);
      }),
    );
  });

  it('poisons the images of other classes, and says which', async () => {
    const set = digits(20);
    const bad = poison(set, [0, 1, 2, 13], { target: 0 });
    expect([...(bad.attributes[TRIGGERED] ?? [])].flatMap((yes, row) => (yes === 1 ? [row] : []))).toEqual([
      1, 2, 13,
    ]);
    expect([bad.labels[0], bad.labels[1], bad.labels[13], bad.labels[14]]).toEqual([0, 0, 0, 4]);
    expect(bad.attributes[TRUE_LABEL]).toEqual(set.labels);
    expect(imageAt(bad, 0)).toEqual(imageAt(set, 0));
    expect(imageAt(bad, 13)).toEqual(stampTrigger(imageAt(set, 13), set));
    expect(set.digest).toBe(digits(20).digest);
    await failure(() => poison(set, [20], { target: 0 }), 'out-of-range');
    await failure(() => poison(set, [1], { target: 10 }), 'out-of-range');
    await failure(() => poison(set, [1], { target: 0, trigger: { side: 11 } }), 'out-of-range');
  });
});

describe('coloured digits', () => {
  const set = digits(200);
  const plane = 100;

  it('are blue threes and green eights, or the other way round', () => {
    for (const [swapped, three] of [
      [0, 2],
      [1, 1],
    ] as const) {
      const coloured = colourDigits(set, { swapped });
      expect([coloured.count, coloured.channels, coloured.classes]).toEqual([40, 3, ['3', '8']]);
      for (let row = 0; row < coloured.count; row++) {
        const own = coloured.labels[row] === 0 ? three : 3 - three;
        const image = imageAt(coloured, row);
        const digit = 10 * Math.floor(row / 2) + (row % 2 === 0 ? 3 : 8);
        for (let channel = 0; channel < 3; channel++) {
          const part = image.subarray(channel * plane, (channel + 1) * plane);
          expect(part).toEqual(channel === own ? imageAt(set, digit) : new Uint8Array(plane));
        }
        expect(coloured.attributeValues[COLOUR]?.[coloured.attributes[COLOUR]?.[row] ?? -1]).toBe(
          own === 2 ? 'blue' : 'green',
        );
      }
    }
  });

  it('may have the ground in colour, with white strokes', () => {
    const coloured = colourDigits(set, { where: 'background' });
    const grey = imageAt(set, 3);
    const image = imageAt(coloured, 0);
    for (let i = 0; i < plane; i++) {
      expect([image[i], image[plane + i], image[2 * plane + i]]).toEqual([grey[i], grey[i], 255]);
    }
  });

  it('have the colour of the other digit as often as asked for, by seed', () => {
    const half = colourDigits(set, { swapped: 0.5, seed: 4 });
    const other = half.labels.filter((label, row) => half.attributes[COLOUR]?.[row] !== label);
    expect(other.length).toBe(20);
    expect(colourDigits(set, { swapped: 0.5, seed: 4 }).digest).toBe(half.digest);
    expect(colourDigits(set, { swapped: 0.5, seed: 5 }).digest).not.toBe(half.digest);
  });

  it('have places of colour that differ from image to image', () => {
    const coloured = colourDigits(set);
    for (const row of [0, 7]) {
      const lit = [...imageAt(coloured, row).keys()].filter(
        (i) => i >= 2 * plane && imageAt(coloured, row)[i] !== 0,
      );
      const own = coloured.labels[row] === 0 ? lit : [];
      const places = [...colouredPlaces(coloured, row)];
      if (own.length > 0) expect(places.filter((place) => place >= 2 * plane)).toEqual(own);
      expect(places.length % 3).toBe(0);
    }
    expect(colouredPlaces(set, 0)).toHaveLength(0);
  });

  it('need a grey set with both digits', async () => {
    await failure(() => colourDigits(colourDigits(set)), 'out-of-range');
    await failure(() => colourDigits(digits(5)), 'out-of-range');
    await failure(() => colourDigits(set, { swapped: 2 }), 'out-of-range');
  });
});

describe('encoding', () => {
  it('is (byte / 255 − mean) / deviation, channel by channel', async () => {
    const set = imageSet({
      name: 'two',
      count: 2,
      channels: 3,
      height: 1,
      width: 2,
      pixels: pattern(12),
      labels: Int32Array.of(-1, -1),
      classes: [],
    });
    const mean = [0.1, 0.2, 0.3];
    const deviation = [0.5, 0.25, 2];
    const encoded = encodePixels(set, [1, 0], { mean, deviation });
    for (const [i, value] of encoded.entries()) {
      const channel = Math.floor((i % 6) / 2);
      const byte = set.pixels[(i + 6) % 12] ?? 0;
      expect(value).toBeCloseTo((byte / 255 - (mean[channel] ?? 0)) / (deviation[channel] ?? 1), 6);
    }
    const usual = encodePixels(imageSet({ ...set, pixels: new Uint8Array(12).fill(255) }), [0]);
    expect([...usual]).toEqual([1, 1, 1, 1, 1, 1]);
    await failure(() => encodePixels(set, [2]), 'out-of-range');
    await failure(() => encodePixels(set, [0], { deviation: 0 }), 'out-of-range');
    await failure(() => encodePixels(set, [0], { mean: [0.5] }), 'out-of-range');
  });
});

describe("CelebA's own folder", () => {
  const FACES = 6;
  const CORNERS = [73, 152, 108, 154];
  const name = (i: number): string => `${String(i + 1).padStart(6, '0')}.jpg`;

  async function celeba(folderName: string, changes: Readonly<Record<string, string>> = {}): Promise<string> {
    const root = join(folder.path, folderName);
    mkdirSync(join(root, 'img_align_celeba'), { recursive: true });
    for (let i = 0; i < FACES; i++)
      writeFileSync(
        join(root, 'img_align_celeba', name(i)),
        await plain([40 * i, 40 * i, 40 * i], 178, 218, 'jpeg'),
      );
    const rows = (cells: (i: number) => string): string =>
      Array.from({ length: FACES }, (_, i) => `${name(i)} ${cells(i)}`).join('\n');
    const files: Record<string, string> = {
      'list_attr_celeba.txt': `${FACES}\nMale Smiling Young \n${rows((i) => `${i % 2 ? ' 1' : '-1'} ${i < 3 ? ' 1' : '-1'} -1`)}\n`,
      'list_landmarks_align_celeba.txt': `${FACES}\nlefteye_x lefteye_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y\n${rows((i) => `69 109 ${CORNERS[0]} ${(CORNERS[1] ?? 0) + i} ${CORNERS[2]} ${CORNERS[3]}`)}\n`,
      'list_eval_partition.txt': `${rows((i) => String(i < 4 ? 0 : i - 3))}\n`,
      ...changes,
    };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    return root;
  }

  it('is read with attributes, landmarks and parts', async () => {
    const root = await celeba('celeba');
    const set = await openImages(root);
    expect([set.count, set.channels, set.height, set.width]).toEqual([FACES, 3, 64, 64]);
    expect([set.classes, [...set.labels]]).toEqual([
      ['not Male', 'Male'],
      [0, 1, 0, 1, 0, 1],
    ]);
    expect([...(set.attributes.Smiling ?? [])]).toEqual([1, 1, 1, 0, 0, 0]);
    expect(set.landmarks?.names).toEqual(['lefteye', 'leftmouth', 'rightmouth']);
    expect(Math.abs((imageAt(set, 5)[0] ?? 0) - 200)).toBeLessThan(4);
    expect((await openImages(root, { part: 'train' })).count).toBe(4);
    const test = await openImages(root, { part: 'test' });
    expect([test.count, ...(test.landmarks?.points ?? [])]).toEqual([1, 69, 109, 73, 157, 108, 154]);
    const smile = await openImages(root, { label: 'Smiling', sample: { count: 2, seed: 1 } });
    expect([smile.count, smile.classes]).toEqual([2, ['not Smiling', 'Smiling']]);
  });

  it('has the mouth box of the paper', async () => {
    const set = await openImages(await celeba('celeba'), { height: 218, width: 178 });
    // 73 − 10 … 108 + 10, 152 − 20 … 154 + 20
    expect(mouthBox(set, 0)).toEqual({ top: 132, left: 63, height: 42, width: 55 });
    const small = await openImages(await celeba('celeba'), { height: 64 });
    // 63·64/178 = 22.65, 118·64/178 = 42.43, 132·64/218 = 38.75, 174·64/218 = 51.08
    expect(mouthBox(small, 0)).toEqual({ top: 38, left: 22, height: 14, width: 21 });
    // The lower corner of the sixth face is 5 pixels further down: 177·64/218 = 51.96
    expect(mouthBox(small, 5)).toEqual({ top: 39, left: 22, height: 13, width: 21 });
    expect([...mouthBoxes(small, [5, 0])]).toEqual([39, 22, 13, 21, 38, 22, 14, 21]);
    const far = boxAround(small, 0, ['lefteye'], { x: 500, y: 500 });
    expect(far).toEqual({ top: 0, left: 0, height: 64, width: 64 });
    await failure(() => boxAround(small, 0, ['nose'], { x: 1, y: 1 }), 'unknown-column');
    await failure(() => mouthBox(digits(1), 0), 'missing-column');
  });

  it('is refused for landmarks that it lacks before a picture is looked at', async () => {
    const root = await celeba('broken-picture');
    writeFileSync(join(root, 'img_align_celeba', '000003.jpg'), 'no picture');
    await failure(openImages(root, { landmarks: ['leftmouth'] }), 'malformed');
    const { message } = await failure(
      openImages(root, { landmarks: ['leftmouth', 'nose'] }),
      'unknown-column',
    );
    expect(message).toMatch(/no landmarks leftmouth, nose\. They have: lefteye, leftmouth, rightmouth/);
  });

  it.each([
    ['list_attr_celeba.txt', '6\nMale\n000001.jpg 1\n', /says that it has 6 images and has 1/],
    ['list_attr_celeba.txt', 'many\nMale\n', /line 1/],
    ['list_attr_celeba.txt', '1\nMale Male\n000001.jpg 1 1\n', /line 2/],
    [
      'list_attr_celeba.txt',
      '1\nMale\n../../etc/passwd 1\n',
      /line 3: the name of an image is not a plain file name/,
    ],
    ['list_attr_celeba.txt', '1\nMale\n000001.jpg 7\n', /line 3: an attribute is neither/],
    ['list_attr_celeba.txt', '1\nMale\n000001.jpg 1 1\n', /line 3: 2 numbers where there are 1 columns/],
    [
      'list_landmarks_align_celeba.txt',
      '1\nnose_x nose_y\n000001.jpg 1 1\n',
      /same images in the same order/,
    ],
  ])('with a damaged %s is refused, with the line', async (file, text, words) => {
    const root = await celeba(`damaged-${text.length}-${file.length}`, { [file]: text });
    expect((await failure(openImages(root), 'malformed')).message).toMatch(words);
  });

  it('does without landmarks and parts, and knows its attributes', async () => {
    const root = await celeba('celeba-names');
    const error = await failure(openImages(root, { label: 'Smilling' }), 'unknown-column');
    expect(error.place.suggestion).toBe('Smiling');
  });
});
