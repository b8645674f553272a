// Files by their paths, for what reads data.
import { readPathsBy } from '../data/sources.ts'
import { readWhole } from './files.ts'

readPathsBy(readWhole)
