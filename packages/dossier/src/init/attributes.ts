/** Protected attributes by the names that columns have for them: a suggestion, for a person to check. */

/** Attribute of the vocabulary by the words of a column's name. */
const ATTRIBUTES: ReadonlyMap<string, RegExp> = new Map([
  ['sex', /^(sex|is (fe)?male|(fe)?male)$/],
  ['gender', /\bgender\b/],
  ['race', /\brace\b/],
  ['ethnicity', /\bethnic(ity)?\b|\bhispanic\b/],
  ['religion', /\brelig(ion|ious)\b/],
  ['politicalBeliefs', /\bpolitic(s|al)?\b|\bparty affiliation\b/],
  ['sexuality', /\bsexual(ity| orientation)\b/],
  ['maritalStatus', /\bmarital\b|^married$/],
  ['pregnancy', /\bpregnan(t|cy|cies)\b/],
  ['familySize', /\b(family|household) size\b|^(num |number of )?(children|dependents)$/],
  ['disability', /\bdisab(led|ility)\b/],
  ['medicalHistory', /\b(diagnosis|medical|disease|diabetes)\b/],
  ['nationality', /\bnationality\b/],
  ['nationalOrigin', /\b(native|birth) country\b|\bcountry of (birth|origin)\b|\bnational origin\b/],
  ['citizenship', /\bcitizen(ship)?\b/],
  ['age', /^age( (years|group|band|at [a-z]+))?$/],
  ['veteranStatus', /\bveteran\b/],
]);

/** The attribute that a column's name speaks of, if it does. */
export function attributeNamed(column: string): string | undefined {
  const words = column
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/[^a-z]+/g, ' ')
    .trim();
  for (const [attribute, pattern] of ATTRIBUTES) if (pattern.test(words)) return attribute;
  return undefined;
}
