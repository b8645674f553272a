// Where the cache folder is.
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * The folder for files that can be fetched again: `$XDG_CACHE_HOME/dawngrad`, or `~/.cache/dawngrad`. A value that is
 * empty or not absolute is ignored, as the XDG Base Directory Specification requires. The folder may not exist yet.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'dawngrad')
}
