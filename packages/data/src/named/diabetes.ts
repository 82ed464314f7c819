/** Pima Indians Diabetes: which of 768 women were found to have diabetes within five years. */
import { delimitedRelation, MISSING_MARKS } from '../table/relation.ts';
import type { NamedDataSet } from './catalog.ts';

const COLUMNS = [
  'pregnancies',
  'glucose',
  'blood-pressure',
  'skin-thickness',
  'insulin',
  'bmi',
  'pedigree',
  'age',
  'outcome',
] as const;

/** Measurements that no living person has zero of. */
const NEVER_ZERO: readonly string[] = ['glucose', 'blood-pressure', 'skin-thickness', 'insulin', 'bmi'];

export const diabetes: NamedDataSet = {
  name: 'diabetes',
  title: 'Pima Indians Diabetes',
  description:
    'Women of at least 21 years and of Pima heritage near Phoenix, Arizona; outcome 1 is a diagnosis of diabetes within five years of the measurements. Health data of an Indigenous community: use them with its history in mind.',
  licence: 'CC0 1.0',
  citation:
    'J. W. Smith, J. E. Everhart, W. C. Dickson, W. C. Knowler, R. S. Johannes: Using the ADAP learning algorithm to forecast the onset of diabetes mellitus. Proc. Symposium on Computer Applications and Medical Care, 1988, pp. 261–265.',
  target: 'outcome',
  files: [
    {
      path: 'tabular/pima-indians-diabetes.csv',
      url: 'https://raw.githubusercontent.com/jbrownlee/Datasets/master/pima-indians-diabetes.csv',
      bytes: 23_278,
      sha256: '6bfe5d0f379d17a0e0819b996407e3c09bf80febd4287f2ed212190dfff154af',
    },
  ],
  notes: [`Zeros in ${NEVER_ZERO.join(', ')} cannot be measurements and are read as missing.`],
  relation: ([path = '']) => {
    const relation = delimitedRelation(
      path,
      { delimiter: ',', header: false, names: COLUMNS, encoding: 'utf-8', gzip: false },
      MISSING_MARKS,
    );
    const select = COLUMNS.map((name, i) =>
      NEVER_ZERO.includes(name)
        ? `CASE WHEN TRY_CAST(c${i} AS DOUBLE) = 0 THEN NULL ELSE c${i} END AS c${i}`
        : `c${i}`,
    );
    return { ...relation, sql: `SELECT ${select.join(', ')} FROM (${relation.sql})` };
  },
};
