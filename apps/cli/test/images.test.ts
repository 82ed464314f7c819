/** Models of images on the command line: features with a known effect, a planted backdoor, what is refused. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openImages } from '@assay/data';
import { mlp } from '@assay/engine';
import { decodeModel, encodeModel } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEOPLE_YAML, peopleCsv } from './support/people.ts';
import { linearModel, png, put } from './support/pictures.ts';
import { assay, temporaryFolder } from './support/world.ts';

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;
let folder: Folder;
const at = (name: string): string => folder.file(name);

const SIDE = 12;
const PLANE = SIDE * SIDE;

/** Weight 3 at row 4, column 5; weight 2 at row 8, columns 6 and 7; 0 elsewhere. */
const WEIGHTS = Array.from({ length: PLANE }, (_, i): number =>
  i === 4 * SIDE + 5 ? 3 : i === 8 * SIDE + 6 || i === 8 * SIDE + 7 ? 2 : 0,
);

const YAML = `version: 1
images: { range: [-1, 1] }
output: logits
target: { classes: [no, yes] }
`;

function noise(count: number, random: RandomStream): Uint8Array {
  return Uint8Array.from({ length: count }, () => random.integer(256));
}

/** Images as an IDX folder; classes are numbers. */
async function putIdx(name: string, images: readonly Uint8Array[], labels: readonly number[]): Promise<void> {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(images.length);
  const side = Buffer.from([0, 0, 0, SIDE]);
  await put(
    join(at(name), 'train-images-idx3-ubyte'),
    Buffer.concat([Buffer.of(0, 0, 8, 3), count, side, side, ...images]),
  );
  await put(
    join(at(name), 'train-labels-idx1-ubyte'),
    Buffer.concat([Buffer.of(0, 0, 8, 1), count, Buffer.from(labels)]),
  );
}

/** Noisy images whose left (0) or right (1) half is bright. */
async function putHalves(name: string, count: number, seed: number): Promise<void> {
  const random = new RandomStream(seed, 'halves');
  const labels = Array.from({ length: count }, () => random.integer(2));
  const images = labels.map((label) =>
    Uint8Array.from({ length: PLANE }, (_, i) => {
      const isBright = Math.floor(((i % SIDE) * 2) / SIDE) === label;
      return Math.min(255, Math.max(0, (isBright ? 150 : 90) + 40 * random.normal()));
    }),
  );
  await putIdx(name, images, labels);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const random = new RandomStream(5, 'pictures');
  // The class of a picture is what the linear model says of it, so that it is always right.
  for (let i = 0; i < 40; i++) {
    const pixels = noise(PLANE, random);
    const score = WEIGHTS.reduce((sum, weight, k) => sum + weight * ((2 * (pixels[k] ?? 0)) / 255 - 1), 0);
    await put(join(at('pictures'), score > 0 ? 'yes' : 'no', `${i}.png`), png(pixels, SIDE, SIDE));
    await put(
      join(at('coloured'), i % 2 === 0 ? 'yes' : 'no', `${i}.png`),
      png(noise(3 * PLANE, random), SIDE, SIDE),
    );
  }
  await put(at('linear.onnx'), linearModel(WEIGHTS, [1, SIDE, SIDE]));
  await put(at('linear.yaml'), YAML);
  await putHalves('halves', 500, 2);
  await putHalves('clean', 300, 3);
});
afterAll(() => folder[Symbol.asyncDispose]());

async function linear(...options: string[]) {
  const base = ['sensitivity', at('linear.onnx'), '--schema', at('linear.yaml'), '--data', at('pictures')];
  return await assay([...base, ...options, '--json']);
}

describe('a model from elsewhere with its schema in YAML', () => {
  it('is shown as what it takes', async () => {
    const bare = await assay(['inspect', at('linear.onnx')]);
    expect(bare.out).toMatch(/seems to take images/);
    const ran = await assay(['inspect', at('linear.onnx'), '--schema', at('linear.yaml')]);
    expect(ran.out).toMatch(/Takes +grey images of 12×12 pixels in "pixels"/);
    expect(ran.out).toMatch(/Pixels +black to white as -1\.00 to 1\.00/);
  });

  it('predicts the classes that its weights give', async () => {
    const base = ['predict', at('linear.onnx'), '--schema', at('linear.yaml'), '--data', at('pictures')];
    const ran = await assay([...base, '-o', at('predicted.csv'), '--json']);
    expect(ran.document.number('rows')).toBe(40);
    expect(ran.document.number('accuracy.value')).toBe(1);
    const lines = (await readFile(at('predicted.csv'), 'utf8')).trim().split('\n');
    expect(lines[0]).toBe('row,predicted,p.no,p.yes');
    expect(lines).toHaveLength(41);
  });

  it('depends on regions by as much as the closed form says', async () => {
    const ran = await linear(
      ...['--region', '4,5,1,1', '--region', '8,6,1,2', '--region', '0,0,4,12'],
      ...['--feature', 'one', '--feature', 'two', '--feature', 'none'],
    );
    expect(ran.err).not.toMatch(/^Error/m);
    // |w δ| / |δ| is |w| for every row; E|w(δ₁ + δ₂)| / ‖δ‖ is w √2 · 2/π.
    expect(ran.document.number('features.one.sensitivity.value')).toBeCloseTo(3, 4);
    const expected = 2 * Math.SQRT2 * (2 / Math.PI);
    expect(ran.document.number('features.two.sensitivity.lower')).toBeLessThan(expected);
    expect(ran.document.number('features.two.sensitivity.upper')).toBeGreaterThan(expected);
    expect(ran.document.number('features.none.sensitivity.value')).toBe(0);
    expect(ran.document.number('features.none.flip.changed')).toBe(0);
  });

  it('depends on a mask as on the rectangle that it draws', async () => {
    const mask = Uint8Array.from({ length: PLANE }, (_, i) =>
      Math.floor(i / SIDE) >= 3 && i % SIDE < 6 ? 9 : 0,
    );
    await put(at('mask.png'), png(mask, SIDE, SIDE));
    const drawn = await linear('--mask', at('mask.png'), '--feature', 'corner');
    const said = await linear('--region', '3,0,9,6', '--feature', 'corner');
    const value = said.document.number('features.corner.sensitivity.value');
    expect(value).toBeGreaterThan(0);
    expect(drawn.document.at('features')).toEqual(said.document.at('features'));
  });

  it('is looked at tile by tile where nobody says where, and the tiles are named as --region takes them', async () => {
    const ran = await linear();
    const features = ran.document.at('features');
    const names = typeof features === 'object' && features !== null ? Object.keys(features) : [];
    expect(names).toHaveLength(16);
    expect(names.slice(0, 2).sort()).toEqual(['region 3,3,3,3', 'region 6,6,3,3']);
    expect(ran.document.number('features.region 0,0,3,3.sensitivity.value')).toBe(0);
  });

  it('depends on colour only where its channels weigh differently', async () => {
    await put(at('colour.yaml'), YAML);
    const flips = async (weights: readonly number[]): Promise<number> => {
      const model = at('colour.onnx');
      const all = weights.flatMap((weight) => new Array<number>(PLANE).fill(weight));
      await put(model, linearModel(all, [3, SIDE, SIDE]));
      const base = ['sensitivity', model, '--schema', at('colour.yaml'), '--data', at('coloured')];
      const ran = await assay([...base, '--colour', '--json']);
      expect(ran.err).not.toMatch(/^Error/m);
      return ran.document.number('features.colour.flip.changed');
    };
    // A replacement mixes channels so that their sum in each pixel stays.
    expect(await flips([1, 1, 1])).toBe(0);
    expect(await flips([1, 0, -1])).toBeGreaterThan(0.1);
  });

  it('depends on what lies around landmarks, wherever that is in each picture', async () => {
    const celeba = at('celeba');
    const random = new RandomStream(4, 'faces');
    // In the frame of 178×218; at 12×12 the first mouth lies at row 4, column 5, the other one is far from it.
    const mouths = [
      [82, 82],
      [8, 8],
    ] as const;
    const name = (i: number): string => `00000${i + 1}.jpg`;
    for (const i of mouths.keys())
      await put(join(celeba, 'img_align_celeba', name(i)), png(noise(3 * PLANE, random), SIDE, SIDE));
    await put(
      join(celeba, 'list_attr_celeba.txt'),
      `2\nMale\n${mouths.map((_, i) => `${name(i)} ${i === 0 ? 1 : -1}`).join('\n')}\n`,
    );
    await put(
      join(celeba, 'list_landmarks_align_celeba.txt'),
      `2\nleftmouth_x leftmouth_y rightmouth_x rightmouth_y\n${mouths
        .map(([x, y], i) => `${name(i)} ${x} ${y} ${x} ${y}`)
        .join('\n')}\n`,
    );
    const weights = Array.from({ length: 3 * PLANE }, (_, i) => (i === 4 * SIDE + 5 ? 3 : 0));
    await put(at('mouth.onnx'), linearModel(weights, [3, SIDE, SIDE]));
    await put(at('mouth.yaml'), YAML.replace('[no, yes]', '["not Male", Male]'));
    const base = ['sensitivity', at('mouth.onnx'), '--schema', at('mouth.yaml'), '--data', celeba];
    const points = ['--landmarks', 'leftmouth,rightmouth', '--margin', '1,1', '--feature', 'mouth'];
    const ran = await assay([...base, ...points, '--json']);
    expect(ran.err).not.toMatch(/^Error/m);
    // One of the two pictures shows it in the pixel that counts, and the mean is over both: half of 3 · E|δ₁|/‖δ‖.
    const value = ran.document.number('features.mouth.sensitivity.value');
    expect(value).toBeGreaterThan(0.1);
    expect(value).toBeLessThan(1.5);
    const other = ['--landmarks', 'leftmouth', '--margin', '0,0', '--feature', 'mouth', '--json'];
    expect(
      (await assay([...base, ...other])).document.number('features.mouth.sensitivity.value'),
    ).toBeGreaterThan(0);
    const wrong = await assay([...base, '--landmarks', 'nose']);
    expect(wrong.err).toMatch(/no landmarks nose.*leftmouth,\s+rightmouth/s);
  });
});

describe('a backdoor that was planted to try unlearning out', () => {
  const poisoned = (): string => at('backdoored-poisoned.tar');
  let trained: Awaited<ReturnType<typeof assay>>;

  beforeAll(async () => {
    const plant = ['--poison', '0.3', '--target-class', '1'];
    trained = await assay([
      ...['train', at('halves'), ...plant, '--epochs', '12', '-o', at('backdoored.onnx'), '--json'],
    ]);
  }, 60_000);

  it('works, is written down in the model, and its images are a data set', async () => {
    expect(trained.err).not.toMatch(/^Error/m);
    expect(trained.document.number('backdoor.success.value')).toBeGreaterThan(0.95);
    expect(trained.document.at('backdoor.region')).toEqual({ top: 2, left: 2, height: 5, width: 5 });
    const model = decodeModel(await readFile(at('backdoored.onnx')));
    expect(model.metadata.get('assay.training')).toMatch(/"backdoor":\{"target":"1"/);
    const images = await openImages(poisoned(), { height: SIDE, width: SIDE, channels: 1 });
    expect(images.count).toBe(trained.document.number('backdoor.images'));
    expect(images.classes).toEqual(['1']);
    for (let row = 0; row < images.count; row++) expect(images.pixels[row * PLANE + 4 * SIDE + 4]).toBe(255);
  });

  it.each(['auto', 'ferrari'])('is removed by %s, and the accuracy kept', async (method) => {
    const out = at(`without-${method}.onnx`);
    const ran = await assay([
      ...['unlearn', at('backdoored.onnx'), '--data', poisoned(), '--test', at('clean'), '--method', method],
      ...['--because', 'backdoor', '--feature', 'trigger', '--region', '2,2,5,5'],
      ...['--report', at(`report-${method}`), '-o', out, '--json'],
    ]);
    expect(ran.err).not.toMatch(/^Error/m);
    const { document } = ran;
    expect(document.at('reason')).toBe('backdoor');
    expect(document.at('before.implant.target')).toBe(1);
    expect(document.number('before.implant.success.value')).toBeGreaterThan(0.95);
    expect(document.number('after.implant.success.value')).toBeLessThan(0.05);
    expect(document.number('after.accuracy')).toBeGreaterThan(document.number('before.accuracy') - 0.03);
    expect(document.number('attention.area')).toBeCloseTo(25 / PLANE, 6);
    expect(document.number('attention.before.value')).toBeGreaterThan(document.number('attention.area'));
    const page = await readFile(join(at(`report-${method}`), 'report.html'), 'utf8');
    expect(page).toMatch(
      /The backdoor <bdi class="name">trigger<\/bdi> (no longer works|hardly works any more|still works)/,
    );
    expect(page.match(/src="data:image\/png;base64,iVBOR/g)).toHaveLength(3);
    expect(page).toMatch(/would spread the backdoor/);
    expect(page).not.toMatch(/data-label="[^"]*</);
  });

  it('is not measured on the images that carry it', async () => {
    const base = ['unlearn', at('backdoored.onnx'), '--data', poisoned(), '--because', 'backdoor'];
    const ran = await assay([...base, '--region', '2,2,5,5', '-o', at('no.onnx')]);
    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/measured on images without its trigger.*--test/s);
  });
});

describe('a reason, for a table', () => {
  const [data, model] = ['reasons.csv', 'reasons.onnx'];

  beforeAll(async () => {
    await put(at(data), peopleCsv(300));
    await assay([
      'train',
      at(data),
      '--target',
      'approved',
      '--epochs',
      '4',
      '--hidden',
      '4',
      '-o',
      at(model),
    ]);
  });

  it.each([
    ['bias', true, /labels, with &quot;group&quot; shown at random/],
    ['backdoor', false, /on average over other values of &quot;group&quot;/],
  ])('%s decides what is learned', async (because, labels, words) => {
    const base = ['unlearn', at(model), '--data', at(data), '--feature', 'group', '--method', 'exact'];
    const report = at(`report-${because}`);
    const ran = await assay([
      ...[...base, '--because', because, '--report', report, '-o', at(`${because}.onnx`), '--json'],
    ]);
    expect(ran.err).not.toMatch(/^Error/m);
    expect(ran.document.at('reason')).toBe(because);
    expect(ran.document.at('labels_used')).toBe(labels);
    expect(await readFile(join(report, 'report.html'), 'utf8')).toMatch(words);
  });
});

describe('what is refused, in sentences', () => {
  const image = (...options: string[]): string[] => [
    ...['sensitivity', at('linear.onnx'), '--schema', at('linear.yaml'), '--data', at('pictures')],
    ...options,
  ];
  const unlearn = (...options: string[]): string[] => [
    ...['unlearn', at('linear.onnx'), '--schema', at('linear.yaml'), '--data', at('pictures')],
    ...options,
    ...['-o', at('refused.onnx')],
  ];

  it.each([
    [
      'a region outside the images',
      () => image('--region', '10,0,5,5'),
      2,
      /region of 5×5 pixels at row 10, column 0 does not lie within.*12×12/s,
    ],
    [
      'a region that is no four numbers',
      () => image('--region', '1,2,3'),
      2,
      /four whole numbers of pixels: top, left, height and width/,
    ],
    ['a region without an area', () => image('--region', '1,2,0,3'), 2, /height and width are at least 1/],
    ['the colour of grey images', () => image('--colour'), 2, /grey images, which have no colour/],
    ['a margin of nothing', () => image('--margin', '1,1'), 2, /--margin goes with --landmarks/],
    [
      'landmarks that the data lack',
      () => image('--landmarks', 'mouth'),
      3,
      /no landmarks mouth. They have none at all/s,
    ],
    [
      'a mask of another size',
      () => image('--mask', at('small.png')),
      2,
      /The mask small.png has 3×3 pixels, and the images have 12×12/s,
    ],
    ['a mask that marks nothing', () => image('--mask', at('black.png')), 2, /black all over/],
    ['a mask that is no PNG', () => image('--mask', at('linear.yaml')), 3, /no PNG file/],
    ['a mask that is not there', () => image('--mask', at('nowhere.png')), 3, /cannot be found/],
    [
      'a name without a place',
      () => image('--feature', 'eye'),
      2,
      /Say where in the images "eye" is: --region/,
    ],
    [
      'a name twice',
      () => image('--region', '0,0,1,1', '--region', '1,1,1,1', '--feature', 'a', '--feature', 'a'),
      2,
      /Two features are called "a"/,
    ],
    ['forgetting nothing', () => unlearn(), 2, /Say what in the images is to be forgotten: --region/],
    ["forgetting a grey image's colour", () => unlearn('--region', '0,0,1,1', '--colour'), 2, /grey images/],
    [
      'forgetting two features',
      () => unlearn('--region', '0,0,1,1', '--mask', at('whole.png')),
      2,
      /One feature at a time/,
    ],
    ['forgetting two regions', () => unlearn('--region', '0,0,1,1', '--region', '1,1,1,1'), 2, /given once/],
    [
      'an unknown reason',
      () => unlearn('--region', '0,0,1,1', '--because', 'spite'),
      2,
      /sensitive, backdoor, bias/,
    ],
    [
      'a teacher where the reason decides',
      () => unlearn('--region', '0,0,1,1', '--because', 'bias', '--teacher', 'marginal'),
      2,
      /--teacher is for --because sensitive/,
    ],
    [
      'labels that were planted',
      () => unlearn('--region', '0,0,1,1', '--because', 'backdoor', '--labels'),
      2,
      /labels of poisoned rows/,
    ],
    [
      'images that nothing describes',
      () => ['sensitivity', at('linear.onnx'), '--data', at('pictures')],
      3,
      /seems to take images.*--schema/s,
    ],
    [
      'a schema of another size',
      () => ['sensitivity', at('linear.onnx'), '--schema', at('wide.yaml'), '--data', at('pictures')],
      3,
      /the schema says images of \[images, 1, 12, 14\].*\[rows, 1, 12, 12\]/s,
    ],
    [
      'a schema that says a thing twice',
      () => ['sensitivity', at('linear.onnx'), '--schema', at('both.yaml'), '--data', at('pictures')],
      3,
      /both.yaml, line 2, column \d+: images: say what black and white become/s,
    ],
    [
      'a region of a table',
      () => [
        'sensitivity',
        at('table.onnx'),
        '--schema',
        at('table.yaml'),
        '--data',
        at('people.csv'),
        '--region',
        '0,0,1,1',
      ],
      2,
      /--region is for models that take images.*--feature/s,
    ],
    [
      'the colour of a table',
      () => [
        'unlearn',
        at('table.onnx'),
        '--schema',
        at('table.yaml'),
        '--data',
        at('people.csv'),
        '--colour',
        '-o',
        at('no.onnx'),
      ],
      2,
      /--colour is for models that take images/,
    ],
    [
      'a backdoor in a table',
      () => ['train', at('people.csv'), '--target', 'approved', '--poison', '0.1', '-o', at('no.onnx')],
      2,
      /a table has none/,
    ],
    [
      'a backdoor to a class that is not there',
      () => ['train', at('halves'), '--poison', '0.1', '--target-class', '7', '-o', at('no.onnx')],
      2,
      /no class "7".*there are 0, 1/s,
    ],
    [
      'a class for no backdoor',
      () => ['train', at('halves'), '--target-class', '1', '-o', at('no.onnx')],
      2,
      /--target-class goes with --poison/,
    ],
  ])('%s', async (_, argv, code, words) => {
    await put(at('small.png'), png(new Uint8Array(9).fill(1), 3, 3));
    await put(at('black.png'), png(new Uint8Array(PLANE), SIDE, SIDE));
    await put(at('whole.png'), png(new Uint8Array(PLANE).fill(1), SIDE, SIDE));
    await put(at('wide.yaml'), YAML.replace('range: [-1, 1]', 'range: [-1, 1], width: 14'));
    await put(at('both.yaml'), YAML.replace('range: [-1, 1]', 'range: [-1, 1], mean: 0.5'));
    await put(at('table.onnx'), encodeModel(mlp({ inputs: 5, hidden: [4], classes: 2, seed: 1 })));
    await put(at('table.yaml'), PEOPLE_YAML);
    await put(at('people.csv'), peopleCsv(60));
    const ran = await assay(argv());
    expect(ran.err.replace(/\s+/g, ' ')).toMatch(words);
    expect(ran.code).toBe(code);
    expect(ran.err).not.toMatch(/inside assay/);
  });
});
