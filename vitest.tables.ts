// What `npm run test:tables` runs: whether the tables of mutants and of errors go with the source.
import { mergeConfig } from 'vitest/config'
import config from './vitest.config.ts'

const tables = mergeConfig(config, {})
tables.test!.include = ['test/**/*.check.ts']
export default tables
