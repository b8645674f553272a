// The errors of setup, and what helps against those of files.

/** Setup could not fetch or do something. The message says what, where, and what would be right. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

/** The code of a system error such as ENOENT, or ''. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** Whether a disk or a user's quota is full. */
export function isFull(error: unknown): boolean {
  const cause = error instanceof SetupError ? error.cause : error
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(cause))
}

/** Turns an error of the file system at `path` into one that says what helps; returns any other error unchanged. */
function fileError(error: unknown, path: string): unknown {
  if (isFull(error)) {
    return new SetupError(`${path}: the disk is full: ${elsewhere('make room')}`, { cause: error })
  }
  const code = codeOf(error)
  if (['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST'].includes(code)) {
    return new SetupError(`${path}: cannot be written (${code}): ${elsewhere('make it a writable folder')}`, {
      cause: error,
    })
  }
  return error
}

/** A remedy, and the one that always exists. */
export function elsewhere(remedy: string): string {
  return `${remedy}, or set XDG_CACHE_HOME to a folder elsewhere`
}

/** Does something in the file system; its errors go through {@link fileError}. */
export async function writing<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw fileError(error, path)
  }
}

/** `30.9 MB`, or `5.1 kB` if that is more precise: powers of ten, as for networks and disks. */
export function megabytes(bytes: number): string {
  if (bytes < 1e5) return `${(bytes / 1e3).toFixed(1)} kB`
  const millions = bytes / 1e6
  return `${millions >= 100 ? millions.toFixed(0) : millions.toFixed(1)} MB`
}
