/** Licence identifiers of the Hugging Face hub as SPDX ones. */

/** Other spellings of the same licence. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['mit', 'MIT'],
  ['apache-2.0', 'Apache-2.0'],
  ['bsd-2-clause', 'BSD-2-Clause'],
  ['bsd-3-clause', 'BSD-3-Clause'],
  ['bsd-3-clause-clear', 'BSD-3-Clause-Clear'],
  ['bsl-1.0', 'BSL-1.0'],
  ['mpl-2.0', 'MPL-2.0'],
  ['epl-1.0', 'EPL-1.0'],
  ['epl-2.0', 'EPL-2.0'],
  ['eupl-1.1', 'EUPL-1.1'],
  ['eupl-1.2', 'EUPL-1.2'],
  ['afl-3.0', 'AFL-3.0'],
  ['artistic-2.0', 'Artistic-2.0'],
  ['ecl-2.0', 'ECL-2.0'],
  ['isc', 'ISC'],
  ['ms-pl', 'MS-PL'],
  ['ncsa', 'NCSA'],
  ['ofl-1.1', 'OFL-1.1'],
  ['osl-3.0', 'OSL-3.0'],
  ['postgresql', 'PostgreSQL'],
  ['unlicense', 'Unlicense'],
  ['wtfpl', 'WTFPL'],
  ['zlib', 'Zlib'],
  ['lppl-1.3c', 'LPPL-1.3c'],
  ['c-uda', 'C-UDA-1.0'],
  ['odc-by', 'ODC-By-1.0'],
  ['odbl', 'ODbL-1.0'],
  ['pddl', 'PDDL-1.0'],
  ['lgpl-lr', 'LGPLLR'],
  ['openmdw-1.0', 'OpenMDW-1.0'],
  ['cdla-sharing-1.0', 'CDLA-Sharing-1.0'],
  ['cdla-permissive-1.0', 'CDLA-Permissive-1.0'],
  ['cdla-permissive-2.0', 'CDLA-Permissive-2.0'],
]);

/** Families, and GNU licences of which it is open whether later versions count. */
const AMBIGUOUS = /^(bsd|cc|gpl|lgpl|agpl|gfdl|gpl-[23]\.0|agpl-3\.0|lgpl-[23](\.[01])?)$/;

/** A licence as it was found: an SPDX expression, or why there is none. */
export type FoundLicence = { readonly spdx: string } | { readonly problem: string };

/**
 * @param id as on the Hugging Face hub, in any case; SPDX identifiers pass
 * @param name what the card calls it, where `id` is `other`
 */
export function spdxLicence(id: string, name?: string): FoundLicence {
  const key = id.trim().toLowerCase();
  if (key === '' || key === 'unknown' || key === 'none') return { problem: 'The licence is not known.' };
  const address = spdxOfAddress(key);
  if (address !== undefined) return { spdx: address };
  if (/^https?:/.test(key)) {
    return { problem: 'The licence is given as an address; write its SPDX identifier.' };
  }
  const renamed = RENAMED.get(key);
  if (renamed !== undefined) return { spdx: renamed };
  if (AMBIGUOUS.test(key)) {
    return {
      problem: `The licence "${oneWord(id)}" does not say which version, or whether later ones count; write the SPDX identifier.`,
    };
  }
  if (/^cc0-1\.0$|^cc-by(-nc)?(-sa|-nd)?-[1-4]\.[05](-[a-z]{2})?$/.test(key))
    return { spdx: key.toUpperCase() };
  if (/^[A-Za-z0-9][A-Za-z0-9.+-]*-(only|or-later)$/.test(id)) return { spdx: id };
  // Licences of single vendors and RAIL licences have no SPDX identifier.
  return {
    spdx: `LicenseRef-${(key === 'other' ? (name ?? 'other') : key).replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 80)}`,
  };
}

/** Addresses of licences, as Croissant files have them. */
function spdxOfAddress(key: string): string | undefined {
  const commons = /^https?:\/\/creativecommons\.org\/licenses\/([a-z-]+)\/([1-4]\.[05])(\/|$)/.exec(key);
  if (commons !== null) return `CC-${commons[1]}-${commons[2]}`.toUpperCase();
  if (/^https?:\/\/creativecommons\.org\/publicdomain\/zero\/1\.0/.test(key)) return 'CC0-1.0';
  if (/^https?:\/\/(www\.)?apache\.org\/licenses\/license-2\.0/.test(key)) return 'Apache-2.0';
  if (/^https?:\/\/opensource\.org\/licenses?\/mit/.test(key)) return 'MIT';
  return undefined;
}

function oneWord(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 60);
}
