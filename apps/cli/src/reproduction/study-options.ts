/** Which studies a command asks for. */
import {
  ABLATIONS,
  type RunOptions,
  STUDY_TABLE_NAMES,
  type StudyOptions,
  type StudyTableName,
} from '@assay/reproduction';

export function isStudyTable(name: string): name is StudyTableName {
  return STUDY_TABLE_NAMES.some((table) => table === name);
}

/** What to run for these tables; undefined where none of them is a study. */
export function studyOptions(
  tables: readonly string[],
  { methods: _, ...run }: RunOptions,
  series: readonly string[] | undefined,
): StudyOptions | undefined {
  if (!tables.some(isStudyTable)) return undefined;
  const wants = (table: StudyTableName) => tables.includes(table);
  return {
    ...run,
    ablations: ABLATIONS.filter(({ table }) => wants(table)).map(({ name }) => name),
    theorem: wants('theorem'),
    ...(series === undefined ? {} : { series }),
  };
}
