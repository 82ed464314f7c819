/** Adult, or Census Income: who of 48,842 people in the US census of 1994 earned more than 50,000 dollars. */
import { concatenated, delimitedRelation, MISSING_MARKS, type Relation } from '../table/relation.ts';
import type { NamedDataSet } from './catalog.ts';

const COLUMNS = [
  'age',
  'workclass',
  'fnlwgt',
  'education',
  'education-num',
  'marital-status',
  'occupation',
  'relationship',
  'race',
  'sex',
  'capital-gain',
  'capital-loss',
  'hours-per-week',
  'native-country',
  'income',
] as const;

export const adult: NamedDataSet = {
  name: 'adult',
  title: 'Adult (Census Income)',
  description:
    'Records from the 1994 US census, chosen and cleaned for the task of telling incomes above 50,000 dollars. Holds sex, race, origin and marital status; "fnlwgt" is a sampling weight of the census, not a trait of the person.',
  licence: 'CC BY 4.0',
  citation:
    'B. Becker and R. Kohavi: Adult. UCI Machine Learning Repository, 1996. https://doi.org/10.24432/C5XW20',
  target: 'income',
  files: [
    {
      path: 'tabular/adult.data',
      url: 'https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data',
      bytes: 3_974_305,
      sha256: '5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d',
    },
    {
      path: 'tabular/adult.test',
      url: 'https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test',
      bytes: 2_003_153,
      sha256: 'a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05',
    },
  ],
  notes: [
    'The published training and test files are read one after the other: rows 1 to 32,561 and 32,562 to 48,842.',
  ],
  relation: ([data = '', test = '']) => concatenated([rows(data, 0), withoutFullStop(rows(test, 1))]),
};

function rows(path: string, skip: number): Relation {
  return delimitedRelation(
    path,
    { delimiter: ',', header: false, names: COLUMNS, encoding: 'utf-8', gzip: false, skip },
    MISSING_MARKS,
  );
}

/** The labels of the test file end in a full stop. */
function withoutFullStop(relation: Relation): Relation {
  const label = `c${COLUMNS.length - 1}`;
  return { ...relation, sql: `SELECT * REPLACE (rtrim(${label}, '.') AS ${label}) FROM (${relation.sql})` };
}
