// What `nn` offers: modules, and the summary, which looks at them from outside.
export { Summary, type SummaryRow, summary } from './debug/summary.ts'
export * from './nn/index.ts'
