/** A table: its columns, rows and digest. */
import { basename } from 'node:path';
import { DataError, NAMED_DATA_SETS, openTable } from '@assay/data';
import type { Folder } from '../confine.ts';
import { DossierError } from '../errors.ts';
import { attributeNamed } from './attributes.ts';
import type { Findings } from './found.ts';

const MOST_SHOWN = 30;

/** @throws DossierError `unknown-format` if it is no table that can be read */
export async function readTable(folder: Folder, path: string): Promise<Findings> {
  const real = await folder.locate(path);
  try {
    using table = await openTable(real);
    const names = table.columnNames();
    const shown = names.slice(0, MOST_SHOWN).map(oneLine).join(', ');
    const attributes = [...new Set(names.flatMap((name) => attributeNamed(name) ?? []))];
    const published = Object.values(NAMED_DATA_SETS).find(({ files }) =>
      files.some(({ sha256 }) => sha256 === table.digest),
    );
    const notes =
      attributes.length === 0
        ? []
        : [
            `Columns of ${basename(path)} are named like protected attributes (${attributes.join(', ')}): answer reveals.attributes, fields.categories and people.present.`,
          ];
    return {
      found: [
        {
          kind: 'dataset',
          source: path,
          name: basename(path),
          bytes: true,
          entry: {
            ...(published === undefined ? {} : { name: published.title }),
            file: path,
            sha256: table.digest,
            declarations: [{ path: 'modality', value: 'table' }],
            remarks: [
              `${table.rows} rows, ${names.length} columns: ${shown}${names.length > MOST_SHOWN ? ', …' : ''}.`,
              ...(attributes.length === 0
                ? []
                : [`Columns are named like protected attributes: ${attributes.join(', ')}.`]),
            ],
          },
        },
      ],
      notes,
    };
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    throw new DossierError(
      'unknown-format',
      `${path} cannot be read as a table: ${cause.message}`,
      { file: path },
      { cause },
    );
  }
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').slice(0, 100);
}
