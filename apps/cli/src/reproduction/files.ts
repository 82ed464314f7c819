/** What the tables are written to: a page, a table of all numbers, a document for programs. */
import { join } from 'node:path';
import type { Picture, StudyTables, Tables } from '@assay/reproduction';
import { writeWhole } from '../files.ts';
import type { Io } from '../io.ts';
import { renderReproduction } from '../report/reproduction/page.ts';
import type { Versions } from '../versions.ts';
import { tablesCsv } from './csv.ts';
import { tablesDocument } from './document.ts';
import { studiesCsv } from './study-csv.ts';
import { studiesDocument } from './study-document.ts';

export interface Written {
  readonly page: string;
  readonly csv: string;
  readonly json: string;
}

export interface ToWrite {
  readonly tables: Tables;
  readonly studies: StudyTables;
  readonly pictures: readonly Picture[];
  readonly commandLine: string;
  readonly generatedAt: Date;
  readonly versions: Versions;
  /** Results that are still to come; 0 when the run is whole. */
  readonly outstanding: number;
}

/** Writes `report.html`, `tables.csv`, `tables.json` and, of studies, `studies.csv` into a folder, in place of those of an earlier run. */
export async function writeTables(io: Io, folder: string, input: ToWrite): Promise<Written> {
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeWhole(io, { shown: path, path, force: true }, new TextEncoder().encode(text));
    return path;
  };
  const { tables, studies, versions, commandLine, generatedAt, outstanding } = input;
  const document = {
    command: 'reproduce',
    command_line: commandLine,
    written: generatedAt.toISOString(),
    outstanding,
    ...tablesDocument(tables),
    ...studiesDocument(studies),
    versions,
  };
  const { ablations, shares, relapse, theorem } = studies;
  const hasStudies = [ablations, shares, relapse, theorem].some(({ length }) => length > 0);
  if (hasStudies) await put('studies.csv', studiesCsv(studies));
  return {
    csv: await put('tables.csv', tablesCsv(tables)),
    json: await put('tables.json', `${JSON.stringify(document, null, 2)}\n`),
    page: await put('report.html', await renderReproduction(input)),
  };
}
