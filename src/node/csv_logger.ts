// csvLogger with the path of a file.
import { type FitCallback, csvLogger as withText } from '../index.ts'
import { writeWhole } from './files.ts'

/**
 * As the portable `csvLogger`, but of the path of a file too, which has the epochs so far at any instant, whole. Rejects with
 * WriteError where it can't be written.
 */
export function csvLogger(target: string | ((csv: string) => unknown)): FitCallback {
  if (typeof target !== 'string' || target === '') return withText(target as (csv: string) => unknown)
  return withText((csv) => writeWhole(target, csv))
}
