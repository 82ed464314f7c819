/** Reports: one HTML page on what was forgotten, and a picture of it. */
export { demoChart } from './demo-chart.ts';
export type { ReportedData, ReportedFile, ReportedRun, ReportInput } from './input.ts';
export { renderReport } from './page.ts';
