/** What the style sheet of the reports does not have. */

export const REPRODUCTION_STYLE = `
.undecided { --edge: var(--warn); --back: var(--warn-paper); }
.incomparable { --edge: var(--soft); --back: var(--panel); }
.contents { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: 1.2rem 0; padding: 0; list-style: none; max-width: none; font-size: .92rem; }
.contents li { margin: 0; }
a { color: inherit; text-underline-offset: .15em; }
.claims { display: grid; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; max-width: none; }
.claim { margin: 0; padding: .75rem 1.1rem; background: var(--panel); border-left: 4px solid var(--edge); border-radius: 4px 8px 8px 4px; }
.claim p { margin: .25rem 0 0; max-width: none; }
.claim .text { font-weight: 600; margin: 0; }
.judged + .judged { margin-top: .6rem; padding-top: .5rem; border-top: 1px solid var(--line); }
.claim details { border: 0; padding: 0; margin-top: .3rem; font-size: .92rem; }
.claim summary { font-weight: 400; color: var(--soft); padding: .15rem 0; }
.findings { list-style: none; margin: .3rem 0 0; padding: 0; max-width: none; }
.findings li { margin: 0; padding: .3rem 0; border-top: 1px solid var(--line); }
.mark { display: inline-block; min-width: 1.1rem; font-weight: 700; color: var(--edge); }
.block { margin: 0 0 2rem; }
.block h3 { margin-top: 2rem; }
.setup { color: var(--soft); font-weight: 400; font-size: .86rem; }
.numbers td, .numbers th { padding-right: .5rem; }
.numbers thead th { overflow-wrap: break-word; }
.numbers tbody th { max-width: 13rem; font-weight: 600; }
.numbers .paper { display: block; color: var(--soft); font-size: .82rem; white-space: nowrap; }
.numbers .number { font-weight: 600; }
.numbers .said { display: inline-block; color: var(--edge); font-size: .8rem; white-space: nowrap; }
.footnotes { color: var(--soft); font-size: .86rem; max-width: none; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.4rem; }
.pictures img { display: block; max-width: 100%; height: auto; border-radius: 4px; background: #fff; image-rendering: pixelated; }
.pictures figcaption { margin: .5rem 0 0; }
.scroll { overflow-x: auto; }
.tally { display: flex; flex-wrap: wrap; gap: .4rem; margin: .9rem 0; padding: 0; list-style: none; max-width: none; }
.tally li { margin: 0; }
@media (max-width: 640px) {
  .scroll { overflow: visible; }
  table.numbers, .numbers tbody { display: block; }
  .numbers thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .numbers tr { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .2rem .7rem; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  .numbers th, .numbers td { display: block; padding: .1rem 0; border: 0; text-align: left; max-width: none; }
  .numbers tbody th { grid-column: 1 / -1; max-width: none; }
  .numbers td.none { display: none; }
  .numbers .paper, .numbers .said { white-space: normal; }
}
@media print {
  .claim, .pictures figure, .numbers tr { break-inside: avoid; }
  .contents { display: none; }
  .scroll { overflow: visible; }
}
`;
