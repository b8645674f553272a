// A stream whose reader has gone away: the output ends, the program continues.

/**
 * Lets a stream's reader go away: a pipe's (`dawngrad train | head -1`, EPIPE) or a terminal's (its window closed, EIO).
 * Any other error is thrown as it would be without the guard. May be called more than once on a stream.
 * @returns tells whether the stream can no longer be written to
 */
export function surviveClosedPipe(stream: NodeJS.WritableStream): () => boolean {
  if (!guarded.has(stream)) {
    guarded.add(stream)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!readerGone.has(error.code ?? '')) throw error
      brokenPipes.add(stream)
    })
  }
  return () => brokenPipes.has(stream) || !stream.writable
}

const readerGone = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'])
const guarded = new WeakSet<NodeJS.WritableStream>()
const brokenPipes = new WeakSet<NodeJS.WritableStream>()
